import { redirect } from "next/navigation";
import { Letter } from "@/app/letter";
import { firstOf, type Visitor, visitorOfPage } from "@/app/visitor";
import { SignIn } from "@/components/sign-in";
import { localPath } from "@/lib/http/session";
import { SIGN_IN_PROBLEMS, signInToken, waitingConsent } from "@/lib/http/sign-in";
import { redirectKind } from "@/lib/oauth/redirect-uri";
import { findLinkAdmin } from "@/lib/services/first-admin";

/** Asks a person to sign in, and says for which app. */
export default async function SignInPage({ searchParams }: PageProps<"/login">) {
  const query = await searchParams;
  const visitor = await visitorOfPage();
  const { ctx, by, browser, issuerHost } = visitor;
  const { providers } = ctx.settings;
  const waiting = localPath(firstOf(query.continue));
  if (by && !waiting && !SHOWN_ANYWAY.some((name) => name in query)) redirect("/me");
  const continueTo = waiting ?? "/me";
  const error = problemOf(firstOf(query.error));
  return (
    <Letter title={error ? "Error: sign in" : "Sign in"}>
      <SignIn
        csrf={signInToken(ctx, browser)}
        continueTo={continueTo}
        issuerHost={issuerHost}
        client={await askingApp(visitor, continueTo)}
        providers={providers.map(({ name, label }) => ({ name, label }))}
        local={providers.length === 0 || "local" in query}
        again={"signed-out" in query}
        error={error}
        notes={await notesFor(visitor)}
      />
    </Letter>
  );
}

/** What makes the page worth showing to somebody who is signed in already. */
const SHOWN_ANYWAY = ["signed-out", "error", "again"];

const problemOf = (code: string | undefined): string | undefined =>
  Object.entries(SIGN_IN_PROBLEMS).find(([name]) => name === code)?.[1];

async function askingApp({ ctx, browser }: Visitor, continueTo: string) {
  const approval = await waitingConsent(ctx, continueTo, browser);
  if (!approval) return undefined;
  const { redirectUri } = approval.request;
  const { protocol, host } = new URL(redirectUri);
  return {
    app: approval.client.name,
    redirectHost: redirectKind(redirectUri) === "private-use" ? `an app on this device (${protocol})` : host,
  };
}

const LINK_NOTE =
  "No password? Open the sign-in link in the server's terminal; if it was used, restart the server for a new one.";

async function notesFor({ ctx }: Visitor): Promise<string[]> {
  const admin = ctx.settings.localMode ? await findLinkAdmin(ctx) : undefined;
  return admin ? [LINK_NOTE] : [];
}
