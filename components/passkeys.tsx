import { ClientText, shorten } from "@/components/client-text";
import { Moment } from "@/components/moment";
import { AddPasskey, TryPasskey } from "@/components/passkey-ceremonies";

/** A key that the person confirms with. */
export type PasskeyView = {
  id: string;
  name: string;
  addedAt: Date;
  lastUsedAt?: Date | undefined;
  /** Of what is signed when it is tried. */
  checkDigest: string;
};

export type PasskeysView = {
  csrf: string;
  now: Date;
  passkeys: readonly PasskeyView[];
  /** Whether the sign-in is recent enough to add and remove. */
  isFresh: boolean;
  /** How long a sign-in is that: "5 minutes". */
  freshFor: string;
  /** Whether the server has a domain, which passkeys belong to. */
  hasDomain: boolean;
  /** The host of this server. */
  host: string;
  /** How many a person may have. */
  most: number;
  signInPath: string;
  /** What a new one is called unless the person says otherwise. */
  suggestedName: string;
  /** What is signed when one is tried. */
  checkSentence: string;
};

/** The passkeys of a person, with a way to add one, to try one and to remove one. */
export function Passkeys({ view }: { view: PasskeysView }) {
  const { passkeys, hasDomain } = view;
  return (
    <section className="section" id="passkeys">
      <h2>Passkeys</h2>
      <p>
        A passkey signs exactly what a page shows you, with your fingerprint, face or PIN. Once you have one,
        approving something of high risk asks for it.
      </p>
      {hasDomain && (
        <noscript>
          <p className="caution lead">
            Adding or trying a passkey needs JavaScript, which is off in this browser.
          </p>
        </noscript>
      )}
      {passkeys.length > 0 && (
        <ul>
          {passkeys.map((passkey) => (
            <Passkey key={passkey.id} passkey={passkey} view={view} />
          ))}
        </ul>
      )}
      {passkeys.length > 0 && hasDomain && (
        <p className="aside">Trying one signs “{view.checkSentence}” and nothing else.</p>
      )}
      {!hasDomain && (
        <p className="caution">
          This server is known by an address, {view.host}. Passkeys need a domain name: whoever runs the
          server can give it one.
        </p>
      )}
      {view.isFresh ? hasDomain && <Add view={view} /> : <SignInAgain view={view} />}
    </section>
  );
}

function Passkey({ passkey, view }: { passkey: PasskeyView; view: PasskeysView }) {
  const { id, name, addedAt, lastUsedAt, checkDigest } = passkey;
  const { now, csrf, isFresh, hasDomain, signInPath } = view;
  const label = shorten(name, 60);
  const remove = isFresh && (
    <form action={`/me/passkeys/${encodeURIComponent(id)}/remove`} method="post">
      <input type="hidden" name="csrf" value={csrf} />
      <button className="button small" type="submit" aria-label={`Remove ${label}`}>
        Remove
      </button>
    </form>
  );
  return (
    <li className="line">
      <div>
        <p>
          <ClientText text={name} />
        </p>
        <p className="aside">
          Added <Moment at={addedAt} now={now} />
        </p>
        <p className="aside">{lastUsedAt ? <LastUsed at={lastUsedAt} now={now} /> : "Never used"}</p>
      </div>
      {hasDomain ? (
        <TryPasskey id={id} digest={checkDigest} label={label} signInPath={signInPath}>
          {remove}
        </TryPasskey>
      ) : (
        remove
      )}
    </li>
  );
}

const LastUsed = ({ at, now }: { at: Date; now: Date }) => (
  <>
    Last used <Moment at={at} now={now} />
  </>
);

function Add({ view }: { view: PasskeysView }) {
  if (view.passkeys.length < view.most)
    return <AddPasskey suggestedName={view.suggestedName} signInPath={view.signInPath} />;
  return <p>You have {view.most} passkeys, which is the most. Remove one to add another.</p>;
}

function SignInAgain({ view }: { view: PasskeysView }) {
  if (!view.hasDomain && view.passkeys.length === 0) return null;
  return (
    <p>
      To {view.hasDomain ? "add or remove" : "remove"} a passkey, <a href={view.signInPath}>sign in again</a>:
      your sign-in is more than {view.freshFor} ago.
    </p>
  );
}
