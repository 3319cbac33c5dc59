// The peer: panva's oidc-provider on PostgreSQL, issuing JWT access tokens by client_credentials.
import { generateKeyPairSync } from "node:crypto";
import { Provider } from "oidc-provider";
import postgres from "postgres";

const port = Number(process.env.BENCH_PORT);
const sql = postgres(process.env.BENCH_DATABASE_URL, { max: 10, onnotice: () => {} });
await sql`create table if not exists oidc_payloads (id text primary key, payload jsonb not null, expires_at timestamptz)`;

/** One table for every model; JWT access tokens are not stored, which is the peer's own choice. */
class PostgresAdapter {
  constructor(name) {
    this.name = name;
  }
  key(id) {
    return `${this.name}:${id}`;
  }
  async upsert(id, payload, expiresIn) {
    const expiresAt = expiresIn ? new Date(Date.now() + expiresIn * 1000) : null;
    await sql`insert into oidc_payloads values (${this.key(id)}, ${sql.json(payload)}, ${expiresAt})
              on conflict (id) do update set payload = excluded.payload, expires_at = excluded.expires_at`;
  }
  async find(id) {
    const [row] = await sql`select payload from oidc_payloads where id = ${this.key(id)}`;
    return row?.payload;
  }
  async consume(id) {
    await sql`update oidc_payloads set payload = payload || ${sql.json({ consumed: 1 })} where id = ${this.key(id)}`;
  }
  async destroy(id) {
    await sql`delete from oidc_payloads where id = ${this.key(id)}`;
  }
}

// It asks for Node 22; of what is newer there, this is all that it uses for a proof.
URL.parse ??= (address) => (URL.canParse(address) ? new URL(address) : null);

const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const provider = new Provider(`http://localhost:${port}`, {
  adapter: PostgresAdapter,
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), alg: "ES256", use: "sig" }] },
  clients: [
    {
      client_id: "bench",
      client_secret: process.env.BENCH_SECRET,
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
      id_token_signed_response_alg: "ES256",
      token_endpoint_auth_method: "client_secret_post",
    },
  ],
  scopes: ["notes:read"],
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => "https://notes.example/mcp",
      getResourceServerInfo: () => ({
        scope: "notes:read",
        accessTokenFormat: "jwt",
        accessTokenTTL: 900,
        jwt: { sign: { alg: "ES256" } },
      }),
    },
  },
});
provider.listen(port, "127.0.0.1");
