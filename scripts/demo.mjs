import { delegate } from "./demo/delegation.mjs";
import { showEscalation } from "./demo/escalation.mjs";
import { say, title } from "./demo/narrate.mjs";
import { registerNotes, startNotes } from "./demo/notes.mjs";
import { Hint, notes, options, server } from "./demo/options.mjs";
import { beAllowed, createOrchestrator } from "./demo/orchestrator.mjs";
import { createPerson } from "./demo/person.mjs";
import { requireCommandLine, showReceipts } from "./demo/receipts.mjs";
import { requireServer } from "./demo/server.mjs";
import { stopAll } from "./demo/stop.mjs";
import { requireNode } from "./packages.mjs";

const ORCHESTRATOR = "Orchestrator";

/** `npm run demo`: a person allows an agent, which lets others work with less; the person stops it, and all end. */
async function demo() {
  await requireServer();
  requireCommandLine();
  await startNotes();
  title("An MCP server wants to be protected");
  say(`examples/mcp-server is at ${notes} and trusts ${server}.`);
  await registerNotes();

  const agent = await createOrchestrator(ORCHESTRATOR);
  const person = await createPerson(ORCHESTRATOR);
  try {
    const orchestrator = await beAllowed(agent, person);
    const cast = await delegate({ name: ORCHESTRATOR, ...orchestrator });
    await showEscalation(cast);
    await showReceipts(cast);
    await stopAll(person, cast);
  } finally {
    await person.leave();
  }
  say("", `That is the whole job. Your agents are at ${server}/me; the code is in examples/.`);
}

requireNode();
try {
  if (options.auto && !options.link && !(options.email && options.password)) {
    throw new Hint(
      "--auto signs in: add --email and --password, or --link with the sign-in link of `npm start`.",
    );
  }
  await demo();
  process.exit(0);
} catch (error) {
  console.error(error instanceof Hint ? `\n${error.message}` : error);
  process.exit(1);
}
