import type { z } from "zod";
import { OAuthError } from "@/lib/errors";
import { readText } from "./form";

/** An answer as JSON, not to be stored. */
export function json(
  body: unknown,
  init: { status?: number; headers?: Record<string, string> } = {},
): Response {
  return new Response(JSON.stringify(body), {
    status: init.status ?? 200,
    headers: { "content-type": "application/json", "cache-control": "no-store", ...init.headers },
  });
}

/** Reads a JSON body of any shape; another media type is refused. */
export async function readJson(request: Request): Promise<unknown> {
  const type = (request.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json") {
    throw new OAuthError("unsupported_media_type", "Send the body as application/json.");
  }
  const text = await readText(request);
  // Escaped or not, PostgreSQL stores no NUL.
  if (text.includes("\0") || /\\u0000/.test(text))
    throw new OAuthError("invalid_request", "Send no NUL characters.");
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new OAuthError("invalid_request", "The body is not JSON.", { cause });
  }
}

/** Reads a JSON body of one shape; what is wrong is named field by field (RFC 9457 §3). */
export async function readJsonAs<Schema extends z.ZodType>(
  request: Request,
  schema: Schema,
): Promise<z.output<Schema>> {
  return parseJsonAs(await readJson(request), schema);
}

/** A JSON value as one shape; what is wrong is named field by field (RFC 9457 §3). */
export function parseJsonAs<Schema extends z.ZodType>(value: unknown, schema: Schema): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors = parsed.error.issues.map(({ path, message }) => ({
    field: path.join(".") || "body",
    message,
  }));
  throw new OAuthError(
    "validation_failed",
    errors.map(({ field, message }) => `${field}: ${message}`).join("; "),
    {
      members: { errors },
    },
  );
}
