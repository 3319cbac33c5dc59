import type { Running } from "@/lib/running-context";
import { findLinkAdmin, isConfiguredAdminMissing } from "@/lib/services/first-admin";
import { createSignInLink } from "@/lib/services/sign-in-links";

/** What a person at the terminal reads when the server is up: where it is, how to get in, what to do next. */
export async function welcome({ ctx, warnings }: Running): Promise<string> {
  const { serverUrl, localMode, host, port } = ctx.settings;
  const demo = port === 8000 ? "npm run demo" : `AUTHGENT_PORT=${port} npm run demo`;
  const lines = [
    "",
    `  Authgent is ready at ${serverUrl}${localMode ? "" : `, listening on ${host}:${port}`}`,
    "",
    ...(await signInLines(ctx)),
    `  MCP server to add to a client   ${serverUrl}/mcp`,
    `  What acts for you, and stop     ${serverUrl}/me`,
    ...(localMode
      ? [
          "",
          `  Next: \`${demo}\` in another terminal shows the whole job, or add the MCP server to your client.`,
        ]
      : []),
    ...((await isConfiguredAdminMissing(ctx))
      ? [
          `  Note: AUTHGENT_ADMIN_EMAIL made nobody, because people were here before. Add ${ctx.settings.adminEmail} with: npx authgent create-user`,
        ]
      : []),
    ...warnings.map((warning) => `  Note: ${warning}`),
    "",
    "",
  ];
  return lines.join("\n");
}

/** The first admin enters by a link that works once; it is printed in local mode only and never logged (D16). */
async function signInLines(ctx: Running["ctx"]): Promise<string[]> {
  const { serverUrl, localMode } = ctx.settings;
  const admin = localMode ? await findLinkAdmin(ctx) : undefined;
  if (!admin) return [`  Sign in                         ${serverUrl}/login`];
  const token = await createSignInLink(ctx, admin.id);
  return [`  Sign in (works once, 1 hour)    ${serverUrl}/login/link/${token}`];
}
