/** A server without its endpoints, for tests that kill it: queues a notification, or delivers what is queued. */
import { openAsBlob } from "node:fs";
import { inTransaction } from "@/lib/context";
import { assembleContext, openMigrated, prepareInstallation } from "@/lib/create-context";
import { enqueue } from "@/lib/services/outbox";
import { loadSettings } from "@/lib/settings";
import { requestFor } from "./request";

const [action, template = "", later = "0"] = process.argv.slice(2);
const { settings } = loadSettings();
const database = await openMigrated(settings, () => openAsBlob(template));
const deferred: Promise<void>[] = [];
const ctx = assembleContext({
  settings: { ...settings, secretKey: settings.secretKey ?? "" },
  database,
  now: () => new Date(Date.now() + Number(later) * 1000),
  write: (line) => void process.stdout.write(line),
  // Killed after the commit, before anything is delivered.
  defer: (work) => {
    if (action === "queue-and-die") process.kill(process.pid, "SIGKILL");
    else deferred.push(work());
  },
  alarm: () => undefined,
});
await prepareInstallation(ctx);

if (action === "deliver") {
  await ctx.courier.deliver();
} else {
  await inTransaction(ctx, async (tx) => {
    for (let count = 0; count < 3; count += 1) await enqueue(tx, requestFor(ctx));
  });
  await Promise.all(deferred);
}
await database.close();
