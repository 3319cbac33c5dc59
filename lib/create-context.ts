import { type OpenedDatabase, openDatabase } from "@/db/client";
import { migrate, pendingMigrations } from "@/db/migrate";
import type { Context } from "./context";
import { type Alarm, createCourier } from "./courier";
import { OAuthError } from "./errors";
import { groupCommit } from "./group-commit";
import { createLog } from "./log";
import { postPublic } from "./outbound/post";
import { publicFetch } from "./outbound/public-fetch";
import { attestationProviders } from "./providers/attestation/index";
import { channelsOf } from "./providers/channels/index";
import { claimsProviders } from "./providers/claims/index";
import { keyProviders } from "./providers/keys/index";
import { policyProviders } from "./providers/policy/index";
import { recentReads } from "./recent-reads";
import { listChanges } from "./services/approvals";
import { ensureFirstAdmin } from "./services/first-admin";
import { checkInstallation } from "./services/installation";
import { ensureKeys } from "./services/keys";
import { createLimits } from "./services/rate-limits";
import { ensureOwnResources } from "./services/resources";
import { appendIssuedTokens, type IssuedToken } from "./services/tokens";
import { noteUses, type Use } from "./services/used-assertions";
import type { Settings } from "./settings";
import { createWaiting } from "./waiting";

type Parts = {
  settings: Context["settings"];
  database: OpenedDatabase;
  now: () => Date;
  /** Where log lines go, and lines for the person at the terminal. */
  write: (line: string) => void;
  defer: Context["defer"];
  /** Wakes the courier when the next delivery is due. */
  alarm: Alarm;
};

/** Puts a context together from its parts; touches nothing yet. */
export function assembleContext({ settings, database, now, write, defer, alarm }: Parts): Context {
  const { db } = database;
  const log = createLog(settings.logLevel, now, write);
  const keys = keyProviders.database({ db, settings, now });
  const overload = () =>
    new OAuthError("temporarily_unavailable", "The server is overloaded. Try again in a moment.", {
      headers: { "retry-after": "1" },
    });
  const ctx: Context = {
    settings,
    db,
    keys,
    policy: policyProviders[settings.policyProvider](settings),
    claims: claimsProviders[settings.claimEnricher]({ settings, log }),
    attestation: attestationProviders[settings.attestationProvider](settings),
    // Nobody sets up the pings of clients: each says for itself where it wants them.
    channels: channelsOf(settings),
    courier: createCourier(() => ctx, alarm),
    waiting: createWaiting({
      changes: () => listChanges({ db }),
      onError: (error) => log.warn("could not look for answers", { error }),
    }),
    limits: createLimits(settings, db),
    recent: recentReads(now),
    log,
    now,
    print: (line) => write(`${line}\n`),
    defer,
    fetchPublic: publicFetch,
    postPublic,
    appendIssued: groupCommit(
      async (issued: readonly IssuedToken[]) => {
        await appendIssuedTokens(db, now(), issued);
        return issued.map(() => undefined);
      },
      { overload },
    ),
    consumeOnce: groupCommit((uses: readonly Use[]) => noteUses(db, uses), { overload }),
  };
  return ctx;
}

/** Makes sure that what every request relies on is there; safe with several instances starting at once. */
export async function prepareInstallation(ctx: Context): Promise<void> {
  await checkInstallation(ctx);
  await ensureKeys(ctx);
  await ensureOwnResources(ctx);
  await ensureFirstAdmin(ctx);
}

/** Opens the database of the settings and brings it up to this release. */
export async function openMigrated(
  settings: Settings,
  template: () => Promise<Blob | undefined>,
): Promise<OpenedDatabase> {
  const { databaseUrl, migrationDatabaseUrl, databasePoolSize } = settings;
  const database = await openDatabase(databaseUrl, { poolSize: databasePoolSize, template });
  try {
    if (!migrationDatabaseUrl) {
      await migrate(database.db);
    } else if ((await pendingMigrations(database.db)).length > 0) {
      const owner = await openDatabase(migrationDatabaseUrl, { poolSize: 1 });
      await migrate(owner.db).finally(() => owner.close());
    }
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}
