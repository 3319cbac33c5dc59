import { OAuthError } from "@/lib/errors";

/** A body beyond this is refused unread. */
export const MAX_BODY_BYTES = 64 * 1024;

/** The body as text, bounded, and without NUL, which PostgreSQL cannot store. */
export async function readText(request: Request): Promise<string> {
  const length = Number(request.headers.get("content-length") ?? 0);
  if (length > MAX_BODY_BYTES) throw tooLarge();
  const bytes = await request.arrayBuffer();
  if (bytes.byteLength > MAX_BODY_BYTES) throw tooLarge();
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new OAuthError("invalid_request", "Send the body as UTF-8.", { cause });
  }
}

const tooLarge = () => new OAuthError("content_too_large", `Send at most ${MAX_BODY_BYTES} bytes.`);

/** A form's fields; only `resource` may stand more than once (RFC 8707 §2). */
export type Form = { fields: Record<string, string>; resources: readonly string[] };

/** Reads an `application/x-www-form-urlencoded` body (RFC 6749 §3.2); anything else is refused. */
export async function readForm(request: Request): Promise<Form> {
  const params = await readFormParams(request);
  const fields: Record<string, string> = Object.create(null);
  for (const [name, value] of params) {
    if (name === "resource") continue;
    // "Request and response parameters MUST NOT be included more than once."
    if (name in fields) throw new OAuthError("invalid_request", `Send ${printable(name)} only once.`);
    fields[name] = value;
  }
  return { fields, resources: params.getAll("resource") };
}

/** A form's fields as they came, for forms whose fields may repeat. */
export async function readFormParams(request: Request): Promise<URLSearchParams> {
  const type = (request.headers.get("content-type") ?? "").trim();
  if (!/^application\/x-www-form-urlencoded(\s*;\s*charset="?utf-8"?)?$/i.test(type)) {
    throw new OAuthError("invalid_request", "Send the parameters as application/x-www-form-urlencoded.");
  }
  const params = new URLSearchParams(await readText(request));
  for (const [name, value] of params) {
    if (name.includes("\0") || value.includes("\0"))
      throw new OAuthError("invalid_request", "Send no NUL characters.");
  }
  return params;
}

const printable = (name: string): string => name.replace(/[^\w.-]/g, "?").slice(0, 40);
