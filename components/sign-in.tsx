import { ClientText } from "@/components/client-text";
import { Icon } from "@/components/icon";

export type SignInView = {
  csrf: string;
  /** Where to go once signed in: a path on this server. */
  continueTo: string;
  issuerHost: string;
  /** The app whose question waits behind the sign-in. */
  client?: { app: string; redirectHost: string } | undefined;
  /** `name` is the path segment under `/login/`, `label` what people call it. */
  providers: readonly { name: string; label: string }[];
  /** Whether Email and Password are asked for. */
  local: boolean;
  /** Whether a provider has to ask who it is, even if it still knows somebody. */
  again?: boolean;
  error?: string | undefined;
  /** What else may help, such as where the first admin finds the sign-in link. */
  notes: readonly string[];
};

/** Asks a person to sign in, and says for whom. */
export function SignIn(view: SignInView) {
  const { client, providers } = view;
  const onlyWay = providers.length === 1 && !view.local;
  return (
    <>
      <h1>
        Sign in to {client ? "continue to " : view.issuerHost}
        {client && <ClientText text={client.app} />}
      </h1>
      {client && (
        <p>
          You will be asked what it may do, then sent to <strong>{client.redirectHost}</strong>.
        </p>
      )}
      {view.error && !view.local && <ErrorLine error={view.error} />}
      {providers.length > 0 && (
        <div className="stack">
          {providers.map(({ name, label }) => (
            <form action={`/login/${encodeURIComponent(name)}`} method="post" key={name}>
              <Hidden view={view} />
              <button className={onlyWay ? "button act wide" : "button wide"} type="submit">
                Continue with {label}
              </button>
            </form>
          ))}
        </div>
      )}
      {providers.length > 0 && view.local && <p className="or">or</p>}
      {view.local && <LocalForm view={view} />}
      {view.notes.map((note) => (
        <p className="lead aside" key={note}>
          {note}
        </p>
      ))}
    </>
  );
}

function LocalForm({ view }: { view: SignInView }) {
  const wrong = view.error ? { "aria-invalid": true, "aria-describedby": "sign-in-error" } : {};
  return (
    <form className="stack" action="/login/local" method="post">
      <Hidden view={view} />
      {view.error && <ErrorLine error={view.error} />}
      <div className="field">
        <label htmlFor="email">Email</label>
        <input id="email" name="email" type="email" autoComplete="username" required {...wrong} />
      </div>
      <div className="field">
        <label htmlFor="password">Password</label>
        <input
          id="password"
          name="password"
          type="password"
          autoComplete="current-password"
          required
          {...wrong}
        />
      </div>
      <button className={view.providers.length === 0 ? "button act wide" : "button wide"} type="submit">
        Sign in
      </button>
    </form>
  );
}

function ErrorLine({ error }: { error: string }) {
  return (
    <p className="marked danger" id="sign-in-error" role="alert">
      <Icon name="high" />
      {error}
    </p>
  );
}

function Hidden({ view }: { view: SignInView }) {
  return (
    <>
      <input type="hidden" name="csrf" value={view.csrf} />
      <input type="hidden" name="continue" value={view.continueTo} />
      {view.again && <input type="hidden" name="again" />}
    </>
  );
}
