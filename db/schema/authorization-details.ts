/** One thing a client may do, in the words of its type (RFC 9396 §2). Stored as it was granted. */
export type AuthorizationDetail = { type: string } & Readonly<Record<string, unknown>>;
