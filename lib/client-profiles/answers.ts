import { z } from "zod";

/** One request of a client; the step says what it is for. */
export type WalkRequest = {
  step: "challenge" | "discovery" | "registration" | "authorization" | "code" | "call" | "refresh";
  method: "GET" | "POST";
  url: string;
  headers: Record<string, string>;
  body?: string;
};

/** What came back; for the step `authorization`, the redirect that ends the person's part. */
export type WalkAnswer = { status: number; headers: Headers; body: string };

/** Why this client gives up, and where; the sentence is for people. */
export class WalkStopped extends Error {
  override readonly name = "WalkStopped";

  constructor(
    readonly step: WalkRequest["step"],
    message: string,
  ) {
    super(message);
  }
}

/** What clients read of a resource (RFC 9728 §2). */
export const ResourceMetadata = z.object({
  resource: z.string(),
  authorization_servers: z.array(z.string()).min(1),
  scopes_supported: z.array(z.string()).default([]),
});

/** What clients read of a server (RFC 8414 §2). */
export const ServerMetadata = z.object({
  issuer: z.string(),
  authorization_endpoint: z.string(),
  token_endpoint: z.string(),
  registration_endpoint: z.string().optional(),
  scopes_supported: z.array(z.string()).default([]),
  code_challenge_methods_supported: z.array(z.string()).default([]),
  token_endpoint_auth_methods_supported: z.array(z.string()).default(["client_secret_basic"]),
  authorization_response_iss_parameter_supported: z.boolean().default(false),
  client_id_metadata_document_supported: z.boolean().default(false),
});
export type ServerMetadata = z.infer<typeof ServerMetadata>;

/** What clients keep of a registration (RFC 7591 §3.2.1). */
export const Registered = z.object({
  client_id: z.string(),
  client_secret: z.string().optional(),
  token_endpoint_auth_method: z.string(),
});

/** What clients keep of a token response (RFC 6749 §5.1). */
export const TokenResponse = z.object({
  access_token: z.string(),
  token_type: z.literal("Bearer"),
  expires_in: z.int(),
  refresh_token: z.string(),
  scope: z.string(),
});
export type TokenResponse = z.infer<typeof TokenResponse>;

/** The body of an answer, where its status and shape are what the client can use. */
export function read<Schema extends z.ZodType>(
  schema: Schema,
  step: WalkRequest["step"],
  { status, body }: WalkAnswer,
  wanted: number,
): z.output<Schema> {
  if (status !== wanted) throw new WalkStopped(step, `Answered ${status} instead of ${wanted}: ${body}`);
  const parsed = schema.safeParse(parseJson(step, body));
  if (parsed.success) return parsed.data;
  throw new WalkStopped(step, `The answer is not what the client reads: ${z.prettifyError(parsed.error)}`);
}

function parseJson(step: WalkRequest["step"], body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new WalkStopped(step, "The answer is not JSON.");
  }
}
