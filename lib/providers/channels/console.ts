import { type Channel, PATIENT } from "./channel";
import { wordsOf } from "./words";

/** One line in the terminal that the server was started in, while it is for this machine alone. */
export const consoleChannel: Channel = {
  name: "console",
  forPeople: true,
  isConfigured: ({ localMode }) => localMode,
  destinations: async () => [{ receiver: "terminal", destination: "terminal" }],
  backoff: () => PATIENT,
  async send({ settings, print }, delivery) {
    const { title, facts, url } = wordsOf(settings, delivery);
    const code = facts.find(([name]) => name === "Code");
    print(`  ${title}${code ? ` [code ${code[1]}]` : ""}   ${url}`);
    return "delivered";
  },
};
