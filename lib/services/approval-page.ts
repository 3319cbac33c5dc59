import type { Context } from "@/lib/context";

/** The page on which a person answers a question, as a path here. */
export const approvalPath = (id: string): string => `/approve/${encodeURIComponent(id)}`;

/** The same as an address to show, or to send. */
export const approvalUrl = ({ settings }: Pick<Context, "settings">, id: string): string =>
  `${settings.serverUrl}${approvalPath(id)}`;
