import { toPlainText } from "@/lib/oauth/display-text";

/** Characters of it that a page shows to whoever decides. */
const LONGEST_USER_AGENT = 200;

/** What the program that sends a request calls itself, as one short line; undefined: it says nothing. */
export function userAgentOf({ headers }: Request): string | undefined {
  const said = headers.get("user-agent");
  return said === null ? undefined : toPlainText(said, LONGEST_USER_AGENT);
}
