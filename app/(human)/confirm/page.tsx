import { redirect } from "next/navigation";
import { Letter } from "@/app/letter";
import { firstOf, visitorOfPage } from "@/app/visitor";
import { ConfirmPasskey } from "@/components/confirm-passkey";
import { Notice } from "@/components/notice";
import { CONFIRM_SENTENCE, confirmation, confirmPath } from "@/lib/http/person-authentication";
import { localPath, loginPath } from "@/lib/http/session";
import { waitingConsent } from "@/lib/http/sign-in";
import { hasPasskey } from "@/lib/services/passkeys";
import { digestShown } from "@/lib/services/signed-decisions";

/** Asks a person to confirm with a passkey that it is them: what they are on the way to needs it (RFC 9470). */
export default async function ConfirmPage({ searchParams }: PageProps<"/confirm">) {
  const continueTo = localPath(firstOf((await searchParams).continue)) ?? "/me";
  const { ctx, by, browser } = await visitorOfPage();
  if (!by) redirect(loginPath(continueTo));
  const isPossible = await hasPasskey(ctx, by.user.id);
  const app = (await waitingConsent(ctx, continueTo, browser))?.client.name;
  return (
    <Letter title="Confirm that it is you" continueTo={continueTo}>
      {isPossible ? (
        <ConfirmPasskey
          app={app}
          sentence={CONFIRM_SENTENCE}
          digest={digestShown(ctx, { by }, confirmation)}
          continueTo={continueTo}
          signInPath={loginPath(confirmPath(continueTo))}
        />
      ) : (
        <Notice
          title="This needs a passkey"
          happened="What you are on the way to asks for a passkey of yours, and you have none here yet. Nothing was given."
          advice="Add one at My agents, then go on where you were asked."
          action={{ label: "Add a passkey", href: "/me#passkeys" }}
        />
      )}
    </Letter>
  );
}
