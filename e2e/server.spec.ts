import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "@playwright/test";
import { run } from "./support/command";
import { createDatabase, wireTo } from "./support/database";
import { startServer } from "./support/server";

const SECRET_KEY = "only-for-tests-0123456789abcdefghijklmnopqrstuv";

let folder: string;
test.beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "authgent-server-"));
});
test.afterEach(() => rm(folder, { recursive: true, force: true }));

async function registerMachine(url: string) {
  const response = await fetch(`${url}/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ client_name: "Nightly job", scope: "jobs:run" }),
  });
  expect(response.status).toBe(201);
  return (await response.json()) as { client_id: string; client_secret: string };
}

const tokenRequest = ({ client_id, client_secret }: { client_id: string; client_secret: string }) => ({
  method: "POST",
  body: new URLSearchParams({ grant_type: "client_credentials", client_id, client_secret }),
});

test.describe("a start that cannot work", () => {
  test("names the setting that is wrong, and does not start", async () => {
    const { code, stderr } = await run(["dist/server.mjs"], { AUTHGENT_ACCESS_TOKEN_TTLS: "60" });
    expect(code).toBe(1);
    expect(stderr).toContain(
      "AUTHGENT_ACCESS_TOKEN_TTLS is not a setting of this server: did you mean AUTHGENT_ACCESS_TOKEN_TTL?",
    );
  });

  test("asks for a secret key when the server is not for this machine alone", async () => {
    const { code, stderr } = await run(["dist/server.mjs"], {
      AUTHGENT_SERVER_URL: "https://auth.example.com",
    });
    expect(code).toBe(1);
    expect(stderr).toContain("AUTHGENT_SECRET_KEY is required");
  });

  test("refuses a second process on the embedded database, and the first loses nothing", async () => {
    const databaseUrl = `pglite://${join(folder, "db")}`;
    const server = await startServer({ databaseUrl });
    const client = await registerMachine(server.url);
    const second = await run(["dist/server.mjs"], {
      AUTHGENT_DATABASE_URL: databaseUrl,
      AUTHGENT_SECRET_KEY: SECRET_KEY,
      AUTHGENT_PORT: "8999",
    });
    expect(second.code).toBe(1);
    expect(second.stderr).toContain("is open in process");
    expect((await fetch(`${server.url}/token`, tokenRequest(client))).status).toBe(200);
    await server.stop();
  });

  test("says that the port is taken", async () => {
    const server = await startServer();
    const { port } = new URL(server.url);
    const second = await run(["dist/server.mjs"], {
      AUTHGENT_DATABASE_URL: `pglite://${join(folder, "db")}`,
      AUTHGENT_PORT: port,
      AUTHGENT_SECRET_KEY: SECRET_KEY,
    });
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`Port ${port} is taken by another program.`);
    await server.stop();
  });

  test("tells a wrong secret key at once", async () => {
    const databaseUrl = `pglite://${join(folder, "db")}`;
    await (await startServer({ databaseUrl })).stop();
    const second = await run(["dist/server.mjs"], {
      AUTHGENT_DATABASE_URL: databaseUrl,
      AUTHGENT_SECRET_KEY: "another-key-another-key-another-key-another-key",
    });
    expect(second.code).toBe(1);
    expect(second.stderr).toContain("AUTHGENT_SECRET_KEY is not the one this database was created with.");
  });

  test("says that the database cannot be reached", async () => {
    const { code, stderr } = await run(["dist/server.mjs"], {
      AUTHGENT_DATABASE_URL: "postgres://nobody@127.0.0.1:1/none",
      AUTHGENT_SECRET_KEY: SECRET_KEY,
    });
    expect(code).toBe(1);
    expect(stderr).toContain("The database of AUTHGENT_DATABASE_URL cannot be reached.");
  });
});

test.describe("a running server", () => {
  test("answers 503 with Retry-After while PostgreSQL is away, and recovers by itself", async () => {
    const database = await createDatabase();
    const wire = await wireTo(database.url);
    const server = await startServer({ databaseUrl: wire.url });
    const client = await registerMachine(server.url);

    wire.cut();
    const refused = await fetch(`${server.url}/token`, tokenRequest(client));
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("2");
    expect(await refused.json()).toMatchObject({ error: "temporarily_unavailable" });
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
    expect((await fetch(`${server.url}/ready`)).status).toBe(503);

    wire.mend();
    await expect
      .poll(async () => (await fetch(`${server.url}/token`, tokenRequest(client))).status)
      .toBe(200);
    await server.stop();
    await wire.close();
    await database.drop();
  });

  test("two instances on one PostgreSQL: what one registers, the other knows with the next request", async () => {
    const database = await createDatabase();
    const [one, other] = await Promise.all([
      startServer({ databaseUrl: database.url, env: { AUTHGENT_SERVER_URL: "http://localhost:8000" } }),
      startServer({ databaseUrl: database.url, env: { AUTHGENT_SERVER_URL: "http://localhost:8000" } }),
    ]);
    const client = await registerMachine(one.url);
    const issued = await fetch(`${other.url}/token`, tokenRequest(client));
    expect(issued.status).toBe(200);
    const { access_token: token } = (await issued.json()) as { access_token: string };
    const introspected = await fetch(`${one.url}/introspect`, {
      method: "POST",
      body: new URLSearchParams({ token }),
    });
    expect(await introspected.json()).toMatchObject({ active: true, client_id: client.client_id });
    await Promise.all([one.stop(), other.stop()]);
    await database.drop();
  });

  test("keeps what it acknowledged when it is killed", async () => {
    const databaseUrl = `pglite://${join(folder, "db")}`;
    const first = await startServer({ databaseUrl });
    const client = await registerMachine(first.url);
    const { access_token: token } = (await (
      await fetch(`${first.url}/token`, tokenRequest(client))
    ).json()) as {
      access_token: string;
    };
    await first.kill();
    const second = await startServer({ databaseUrl, port: Number(new URL(first.url).port) });
    const introspected = await fetch(`${second.url}/introspect`, {
      method: "POST",
      body: new URLSearchParams({ token }),
    });
    expect(await introspected.json()).toMatchObject({ active: true, client_id: client.client_id });
    await second.stop();
  });

  test("answers who waits for a person as soon as it is told to stop, and stops", async () => {
    const server = await startServer();
    const post = (path: string, body: unknown) =>
      fetch(server.url + path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    const agent: Record<"client_id" | "client_secret", string> = await (
      await post("/agents", { name: "waiter" })
    ).json();
    const ask = { agent_id: agent.client_id, action: "act", scope: "files:delete" };
    const { id }: { id: string } = await (await post("/stepup", ask)).json();
    const waiting = fetch(`${server.url}/stepup/${id}`, {
      headers: {
        prefer: "wait=50",
        authorization: `Basic ${btoa(`${agent.client_id}:${agent.client_secret}`)}`,
      },
    });
    await new Promise((resolve) => setTimeout(resolve, 500));
    const [answer] = await Promise.all([waiting, server.stop()]);
    expect([answer.status, (await answer.json()).status]).toEqual([200, "pending"]);
  });

  test("answers with words what is no request to a page, and reads no body for it", async () => {
    const server = await startServer();
    const answered = async (path: string, init: RequestInit = {}) => {
      const response = await fetch(server.url + path, init);
      return { status: response.status, title: /<h1>([^<]*)/.exec(await response.text())?.[1] };
    };
    expect(await answered("/errors/%zz")).toEqual({ status: 404, title: "There is nothing here" });
    expect((await answered("/me", { method: "POST", body: "x".repeat(1_000_000) })).status).toBe(405);
    expect((await answered("/login/local", { method: "POST", body: "x".repeat(100_000) })).status).toBe(413);
    await server.stop();
  });

  test("listens on both loopback families", async () => {
    const server = await startServer();
    const { port } = new URL(server.url);
    expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
    expect((await fetch(`http://[::1]:${port}/health`)).status).toBe(200);
    await server.stop();
  });
});

test.describe("the command line", () => {
  test("shows what a migration would do, does it, and then finds nothing to do", async () => {
    const database = await createDatabase();
    const env = { AUTHGENT_DATABASE_URL: database.url };
    const dryRun = await run(["dist/authgent.mjs", "migrate", "--dry-run"], env);
    expect(dryRun.stdout).toContain('CREATE TABLE "clients"');
    expect((await run(["dist/authgent.mjs", "migrate"], env)).stdout).toBe("7 migrations applied.\n");
    expect((await run(["dist/authgent.mjs", "migrate", "--dry-run"], env)).stdout).toBe(
      "Nothing to do: the database is up to date.\n",
    );
    await database.drop();
  });

  test("creates a person, through the running server where that has the database open", async () => {
    const env = {
      AUTHGENT_DATABASE_URL: `pglite://${join(folder, "db")}`,
      AUTHGENT_SECRET_KEY: SECRET_KEY,
      AUTHGENT_ADMIN_API_KEY: "operators-key-0123456789",
    };
    const server = await startServer({ databaseUrl: env.AUTHGENT_DATABASE_URL, env });
    const person = ["--email", "grace@example.com", "--password", "correct-horse-2", "--role", "approver"];
    const created = await run(["dist/authgent.mjs", "create-user", ...person], {
      ...env,
      AUTHGENT_PORT: new URL(server.url).port,
    });
    expect(created).toEqual({ code: 0, stdout: "Created grace@example.com as approver.\n", stderr: "" });
    await server.stop();
    const again = await run(["dist/authgent.mjs", "create-user", ...person], env);
    expect(again).toEqual({
      code: 1,
      stdout: "",
      stderr: "There is an account for grace@example.com already.\n",
    });
  });

  test("rotates a secret, through the running server where that has the database open", async () => {
    const env = {
      AUTHGENT_DATABASE_URL: `pglite://${join(folder, "db")}`,
      AUTHGENT_SECRET_KEY: SECRET_KEY,
      AUTHGENT_ADMIN_API_KEY: "operators-key-0123456789",
    };
    const server = await startServer({ databaseUrl: env.AUTHGENT_DATABASE_URL, env });
    const { client_id, client_secret } = await registerMachine(server.url);
    const rotate = ["dist/authgent.mjs", "rotate-secret", client_id];
    const there = { ...env, AUTHGENT_PORT: new URL(server.url).port };
    const { code, stdout } = await run([...rotate, "--overlap", "600"], there);
    const rotated = /^(sec_[\w-]{43})\nThe secret before is good until 2\S+Z\.\n$/.exec(stdout)?.[1] ?? "";
    expect([code, rotated]).toEqual([0, expect.stringMatching(/^sec_/)]);
    for (const secret of [client_secret, rotated]) {
      const request = tokenRequest({ client_id, client_secret: secret });
      expect((await fetch(`${server.url}/token`, request)).status).toBe(200);
    }
    const again = await run(rotate, there);
    expect([again.code, again.stdout]).toEqual([1, ""]);
    expect(again.stderr).toContain("send overlap 0, which ends every secret of before at once");
    await server.stop();
    const ended = await run([...rotate, "--overlap", "0"], env);
    expect(ended.stdout).toMatch(/^sec_[\w-]{43}\nThe secret before is good no more\.\n$/);
  });

  test("says what it knows when it is asked for what it does not", async () => {
    const { code, stderr } = await run(["dist/authgent.mjs", "frobnicate"], {});
    expect(code).toBe(2);
    expect(stderr).toContain("There is no command frobnicate.");
    expect(stderr).toContain("migrate [--dry-run]");
    const help = await run(["dist/authgent.mjs", "verify-chain", "--help"], {});
    expect([help.code, help.stdout.split("\n")[0]?.slice(0, 28)]).toEqual([
      0,
      "authgent verify-chain TOKEN|",
    ]);
  });
});
