import diagnostics from "node:diagnostics_channel";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Peer } from "@/lib/http/call";

/** Carries the note from the socket to the handler; whatever a caller sends by this name is overwritten. */
const NOTE = "x-authgent-connection";

/** Next sets these itself where a caller did not, so a handler cannot tell whose they are. */
const FORWARDED = [
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-proto",
  "x-real-ip",
] as const;

/** Noting happens in another bundle than reading. */
const shared: typeof globalThis & { authgentNotesConnections?: boolean } = globalThis;

/**
 * Notes on every request of this process, before Next touches it, where its connection comes from and which
 * forwarded headers it arrived with: Next hides the socket, and both decide about local mode (product decision D1).
 */
export function noteConnections(): void {
  if (shared.authgentNotesConnections) return;
  shared.authgentNotesConnections = true;
  diagnostics.subscribe("http.server.request.start", (message) => {
    const { request, socket } = message as { request: IncomingMessage; socket: Socket };
    const sent = FORWARDED.filter((name) => request.headers[name] !== undefined);
    request.headers[NOTE] = [socket.remoteAddress ?? "unknown", ...sent].join(" ");
  });
}

/** Who is at the other end, and the headers as they arrived. */
export function connectionOf(received: Headers): { peer: Peer; headers: Headers } {
  const headers = new Headers(received);
  const note = headers.get(NOTE);
  headers.delete(NOTE);
  // Nobody notes where there is no Node server of ours (functions): an unknown peer is never a local one.
  if (note === null || !shared.authgentNotesConnections)
    return { peer: { socketAddress: "unknown" }, headers };
  const [socketAddress = "unknown", ...sent] = note.split(" ");
  for (const name of FORWARDED) if (!sent.includes(name)) headers.delete(name);
  return { peer: { socketAddress }, headers };
}
