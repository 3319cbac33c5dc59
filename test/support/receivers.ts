import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer, text } from "node:stream/consumers";
import { SMTPServer } from "smtp-server";
import { expect } from "vitest";

/** One request as a receiver sees it. */
export type Received = { path: string; headers: IncomingHttpHeaders; body: Buffer; at: number };

export type Receiver = {
  url: string;
  host: string;
  /** What it received, the first first; also what it did not take. */
  received: Received[];
  /** Answers every request from now on with this status. */
  answers(status: number, headers?: Record<string, string>): void;
  /** Answers every request from now on like this. */
  handles(listener: RequestListener): void;
  /** Waits until so many have come. */
  until(count: number): Promise<void>;
  close(): Promise<void>;
};

/** A receiver on a loopback port, such as a webhook's; it takes everything unless told otherwise. */
export async function receiver(port = 0): Promise<Receiver> {
  const received: Received[] = [];
  let listener: RequestListener = (_, response) => response.writeHead(204).end();
  const server = createServer(async (request, response) => {
    const body = await buffer(request);
    received.push({ path: request.url ?? "", headers: request.headers, body, at: performance.now() });
    listener(request, response);
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `http://${host}/hook`,
    host,
    received,
    answers: (status, headers = {}) => {
      listener = (_, response) => response.writeHead(status, headers).end();
    },
    handles: (handle) => {
      listener = handle;
    },
    until: (count) =>
      expect.poll(() => received.length, { timeout: 10_000, interval: 20 }).toBeGreaterThanOrEqual(count),
    close: () => closing(server),
  };
}

const closing = (server: Server): Promise<void> =>
  new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });

/** The JSON of a request. */
export const jsonOf = ({ body }: Received) => JSON.parse(body.toString("utf8"));

/** One message as a mail server takes it. */
export type Mail = { from: string; to: string[]; raw: string; secure: boolean };

export type MailServer = {
  url: string;
  mails: Mail[];
  /** Answers every recipient from now on with this reply; undefined takes them. */
  refuses(reply: { code: number; text: string } | undefined): void;
  close(): Promise<void>;
};

/** A mail server on a loopback port; with a password it wants that. */
export async function mailServer({ password }: { password?: string } = {}): Promise<MailServer> {
  const mails: Mail[] = [];
  let refusal: { code: number; text: string } | undefined;
  const server = new SMTPServer({
    authOptional: password === undefined,
    allowInsecureAuth: true,
    hideSTARTTLS: true,
    logger: false,
    onAuth: ({ password: given }, _session, done) =>
      given === password ? done(null, { user: "authgent" }) : done(new Error("Invalid credentials")),
    onRcptTo: (_address, _session, done) => {
      if (refusal) done(Object.assign(new Error(refusal.text), { responseCode: refusal.code }));
      else done();
    },
    onData: async (stream, session, done) => {
      const raw = await text(stream);
      const { mailFrom, rcptTo } = session.envelope;
      const from = mailFrom ? mailFrom.address : "";
      mails.push({ from, to: rcptTo.map(({ address }) => address), raw, secure: session.secure });
      done();
    },
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.server.address() as AddressInfo;
  const login = password === undefined ? "" : `authgent:${encodeURIComponent(password)}@`;
  return {
    url: `smtp://${login}127.0.0.1:${port}`,
    mails,
    refuses: (reply) => {
      refusal = reply;
    },
    close: () => new Promise<void>((resolve) => void server.close(() => resolve())),
  };
}
