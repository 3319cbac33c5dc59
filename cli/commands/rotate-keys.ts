import { isOAuthError } from "@/lib/errors";
import { runningContext } from "@/lib/running-context";
import { rotateKeys as rotate } from "@/lib/services/keys";
import { type Command, CommandError } from "../command";

/** Lets the next signing key take over and publishes the one after it. */
export const rotateKeys: Command = {
  name: "rotate-keys",
  summary: "Let the next signing key take over",
  usage: "[--force]",
  options: { force: { type: "boolean", about: "also while verifiers may not know the next key yet" } },

  async run({ force }) {
    const { ctx, close } = await runningContext();
    try {
      const { retired, active, next } = await rotate(ctx, { actor: "operator", force: force === true });
      return [`retired ${retired}`, `active  ${active}`, `next    ${next}`].join("\n");
    } catch (error) {
      throw isOAuthError(error)
        ? new CommandError(`${error.description}\nWith --force it happens all the same.`)
        : error;
    } finally {
      await close();
    }
  },
};
