import type { ReactNode } from "react";

export type Person = { name: string; email: string };

/** What a form that ends this session needs: the anti-forgery value, and where to come back to. */
export type SwitchAccount = { csrf: string; continueTo: string };

export type FrameProps = {
  issuerHost: string;
  person?: Person | undefined;
  switchAccount?: SwitchAccount | undefined;
  children: ReactNode;
};

/** The sheet every page is written on: who speaks, to whom, and the letter itself. */
export function Frame({ issuerHost, person, switchAccount, children }: FrameProps) {
  return (
    <div className="sheet">
      <a className="skip" href="#letter">
        Skip to the content
      </a>
      <header>
        <div className="letterhead">
          <a className="product" href="/">
            Authgent
          </a>{" "}
          <span>{issuerHost}</span>
        </div>
        {person && <Signatory person={person} switchAccount={switchAccount} />}
      </header>
      <main className="letter" id="letter" tabIndex={-1}>
        {children}
      </main>
      <footer className="colophon">
        <ul>
          <li>
            <a href="/inbox">Inbox</a>
          </li>
          <li>
            <a href="/me">My agents</a>
          </li>
          <li>
            <a href="/">About this server</a>
          </li>
        </ul>
      </footer>
    </div>
  );
}

type SignatoryProps = { person: Person; switchAccount: SwitchAccount | undefined };

function Signatory({ person, switchAccount }: SignatoryProps) {
  return (
    <div className="person">
      <span>
        Signed in as{" "}
        <strong>
          <bdi>{person.email}</bdi>
        </strong>
      </span>
      {switchAccount && (
        <>
          <span className="dot" aria-hidden="true">
            ·
          </span>
          <form action="/logout" method="post">
            <input type="hidden" name="csrf" value={switchAccount.csrf} />
            <input type="hidden" name="continue" value={switchAccount.continueTo} />
            Not you?{" "}
            <button className="textual" type="submit">
              Switch account
            </button>
          </form>
        </>
      )}
    </div>
  );
}
