import type { Context } from "@/lib/context";
import type { BucketName } from "@/lib/services/rate-limits";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** Who is at the other end of the connection, as far as the mount knows. */
export type Peer = {
  /** The address the connection came from; not what a header claims. */
  socketAddress: string;
};

/** One request on its way through a handler. */
export type Call = {
  request: Request;
  url: URL;
  /** Named segments of the path. */
  params: Readonly<Record<string, string>>;
  peer: Peer;
  /** The caller's address for limits and audit: the peer's, or what trusted proxies say of it. */
  address: string;
  /** A request of this machine to a server in local mode (product decision D1). */
  isLocal: boolean;
};

export type Handler = (ctx: Context, call: Call) => Promise<Response>;

/** How a route's refusals are written. */
export type ErrorFormat = "oauth" | "problem" | "page" | "bearer";

/** One line of the list of everything this server answers without Next (lib/http/routes.ts). */
export type Route = {
  /** Exact, or with `{name}` for one segment and a final `{name...}` for the rest. */
  path: string;
  methods: Partial<Record<Method, Handler>>;
  bucket: BucketName | "none";
  /** Whether scripts of any origin may call it; never with credentials. */
  cors: boolean;
  errors: ErrorFormat;
  /** HEAD is answered as GET without a body where GET changes nothing. */
  head?: boolean;
  /** Headers that both mounts must agree on, beside status and body. */
  sameHeaders?: readonly string[];
};
