/** A program for tests that kill it: queues a notification, or delivers what is queued. */
import { inTransaction } from "@/lib/context";
import { enqueue } from "@/lib/services/outbox";
import { crashContext } from "./crash-context";
import { requestFor } from "./request";

const [action, template = "", later = "0"] = process.argv.slice(2);
const { ctx, end } = await crashContext({
  template,
  later,
  diesAfterCommit: action === "queue-and-die",
  write: (line) => void process.stdout.write(line),
});

if (action === "deliver") {
  await ctx.courier.deliver();
} else {
  await inTransaction(ctx, async (tx) => {
    for (let count = 0; count < 3; count += 1) await enqueue(tx, requestFor(ctx));
  });
}
await end();
