/** A program for tests that kill it: asks a person, takes their answer, or delivers what is queued. */
import { inTransaction } from "@/lib/context";
import { requestAct } from "@/lib/services/acts";
import { createAgent } from "@/lib/services/agents";
import { decideAct } from "@/lib/services/approval-decisions";
import { findClient } from "@/lib/services/clients";
import { createLocalUser, findUser } from "@/lib/services/users";
import { crashContext, die } from "./crash-context";

const [action, template = "", later = "0", approvalId = "", userId = ""] = process.argv.slice(2);
const { ctx, end } = await crashContext({
  template,
  later,
  diesAfterCommit: action === "decide-and-die",
  write: () => undefined,
});

async function ask(): Promise<void> {
  const person = {
    email: "ada@example.com",
    name: "Ada",
    role: "approver",
    password: "not-used-here",
  } as const;
  const { id } = await createLocalUser(ctx, person, "operator");
  const manager = { actor: `user:${id}`, userId: id, isOperator: false, address: "127.0.0.1" };
  const { agent } = await createAgent(ctx, { name: "search-bot", scope: ["files:read"] }, manager);
  const client = await findClient(ctx, agent.clientId);
  if (!client) throw new Error("just registered");
  const approval = await requestAct(ctx, {
    kind: "step_up",
    client,
    act: {
      subject: `client:${client.clientId}`,
      ...{ actors: [], chain: [], said: {}, address: "127.0.0.1" },
      ...{ resource: "https://files.example/mcp", scope: ["files:delete"] },
    },
  });
  console.log(JSON.stringify({ approvalId: approval.id, userId: id }));
}

async function decide(tx: typeof ctx): Promise<void> {
  const user = await findUser(tx, userId);
  if (!user) throw new Error("the person who asked is not there");
  const by = { user, session: { authTime: ctx.now(), amr: ["pwd"] } };
  await decideAct(tx, { id: approvalId, by, decision: "approved" });
}

switch (action) {
  case "ask":
    await ask();
    break;
  case "decide-and-die":
  case "decide":
    await decide(ctx);
    break;
  case "die-deciding":
    await inTransaction(ctx, async (tx) => {
      await decide(tx);
      die();
      // The signal is on its way: nothing is committed meanwhile.
      await new Promise(() => setTimeout(() => {}, 60_000));
    });
    break;
  case "deliver":
    await ctx.courier.deliver();
    break;
}
await end();
