import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { aptInstall } from "./apt.mjs";
import { CommandFailed, kill, must, start, step } from "./progress.mjs";

const DEBIAN = "/usr/lib/postgresql";
const READY = "database system is ready to accept connections";
const START_SECONDS = 30;

/**
 * A PostgreSQL for tests: the one of TEST_DATABASE_URL, else a new cluster of the installed version on a free
 * loopback port, in a temporary folder. `stop` ends and removes what was started here. `durable` flushes to disk,
 * as production does and measurements need.
 */
export async function ensurePostgres({ durable = false } = {}) {
  const url = process.env.TEST_DATABASE_URL;
  if (url) return { url, stop: async () => {} };
  const programs = findPrograms() ?? (await installPrograms());
  return step("starting PostgreSQL", () => startCluster(programs, durable));
}

async function installPrograms() {
  const output = await step("installing PostgreSQL", () => aptInstall(["postgresql"]));
  const programs = findPrograms();
  if (programs) return programs;
  throw new CommandFailed("No PostgreSQL: install its server, or set TEST_DATABASE_URL to one.", output);
}

/** The folder that holds `initdb` and `postgres`, the newest version first. */
function findPrograms() {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...versions.map((version) => join(DEBIAN, version, "bin")),
    ...(process.env.PATH ?? "").split(delimiter),
  ];
  return folders.find((folder) => existsSync(join(folder, "initdb")) && existsSync(join(folder, "postgres")));
}

async function startCluster(programs, durable) {
  const owner = unprivilegedUser();
  const folder = mkdtempSync(join(tmpdir(), "authgent-postgres-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);

  const data = join(folder, "data");
  const password = randomBytes(16).toString("hex");
  const passwordFile = join(folder, "password");
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (owner.uid !== undefined)
    for (const path of [folder, passwordFile]) chownSync(path, owner.uid, owner.gid);

  const options = { ...owner, cwd: folder };
  const access = ["-U", "postgres", "-A", "scram-sha-256", `--pwfile=${passwordFile}`];
  await must(
    join(programs, "initdb"),
    ["-D", data, "-E", "UTF8", "--locale=C", "--no-sync", ...access],
    options,
  );

  const port = await freePort();
  const server = start(join(programs, "postgres"), ["-D", data, "-p", `${port}`, ...settings(durable)], {
    ...options,
    endSignal: "SIGQUIT",
  });
  await untilReady(server);
  return {
    url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
    async stop() {
      const ended = new Promise((resolve) => server.once("close", resolve));
      kill(server, "SIGQUIT");
      await ended;
      remove();
    },
  };
}

/** The data of tests live for minutes, so nothing is flushed to disk; loopback TCP only. */
function settings(durable) {
  const values = {
    ...(durable ? {} : { fsync: "off", full_page_writes: "off", wal_level: "minimal", max_wal_senders: "0" }),
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
  };
  return Object.entries(values).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

/** PostgreSQL refuses to run as root; Debian's package brings the user postgres. */
function unprivilegedUser() {
  if (process.getuid?.() !== 0) return {};
  const id = (flag, user) => Number(execFileSync("id", [flag, user], { encoding: "utf8", stdio: "pipe" }));
  for (const user of ["postgres", "nobody"]) {
    try {
      return { uid: id("-u", user), gid: id("-g", user) };
    } catch {
      // No such user: try the next.
    }
  }
  throw new CommandFailed("PostgreSQL does not run as root, and there is no user postgres.", "");
}

function untilReady(server) {
  let output = "";
  return new Promise((resolve, reject) => {
    const give = (reason) => reject(new CommandFailed(`PostgreSQL ${reason}`, output));
    const timer = setTimeout(() => {
      kill(server, "SIGQUIT");
      give(`was not ready within ${START_SECONDS} seconds`);
    }, START_SECONDS * 1000);
    server.once("close", () => {
      clearTimeout(timer);
      give("did not start");
    });
    server.stderr.setEncoding("utf8").on("data", (chunk) => {
      if (output.includes(READY)) return;
      output += chunk;
      if (!output.includes(READY)) return;
      clearTimeout(timer);
      resolve();
    });
    server.stdout.resume();
  });
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer().once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}
