import { setTimeout as sleep } from "node:timers/promises";

const DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code";

/** What a terminal shows the person, and what comes of it. */
export type Terminal = {
  name: string;
  /** `XXXX-XXXX`, as it stands on the screen. */
  userCode: string;
  /** With the code filled in, as a QR code would have it. */
  link: string;
  /** Polls until there is an answer, as the server tells it to (RFC 8628 §3.5). */
  answer: Promise<{ status: number; body: Record<string, unknown> }>;
};

/** A program on another machine that signs in by device code; it knows nothing but the server's address. */
export async function startTerminal(
  server: string,
  name: string,
  parameters: Readonly<Record<string, string>> = {},
): Promise<Terminal> {
  const post = async (path: string, fields: Record<string, string>) => {
    const headers = { "user-agent": `${name.toLowerCase()}-cli/1.2 (linux)` };
    const body = new URLSearchParams(fields);
    const response = await fetch(`${server}${path}`, { method: "POST", headers, body });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const registered = await fetch(`${server}/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      client_name: name,
      grant_types: [DEVICE_CODE],
      token_endpoint_auth_method: "none",
    }),
  });
  const { client_id }: { client_id: string } = await registered.json();
  const asked = await post("/device/authorize", { client_id, ...parameters });
  const codes = asked.body as Record<"device_code" | "user_code" | "verification_uri_complete", string> & {
    interval: number;
  };

  async function poll() {
    // Shorter than a real one would have it: the server is asked to answer once there is an answer.
    for (let interval = codes.interval; ; ) {
      const response = await fetch(`${server}/token`, {
        method: "POST",
        headers: { prefer: "wait=50" },
        body: new URLSearchParams({ grant_type: DEVICE_CODE, client_id, device_code: codes.device_code }),
      });
      const body: Record<string, unknown> = await response.json();
      if (body.error === "slow_down") interval += 5;
      else if (body.error !== "authorization_pending") return { status: response.status, body };
      await sleep(interval * 1000);
    }
  }
  return { name, userCode: codes.user_code, link: codes.verification_uri_complete, answer: poll() };
}
