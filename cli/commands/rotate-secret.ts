import { z } from "zod";
import { SecretRotation } from "@/lib/http/secret-rotation";
import { rotateSecret as rotate } from "@/lib/services/client-secrets";
import { type Command, CommandError, required } from "../command";
import { carryOut } from "../running-server";

const Rotated = z.object({ client_secret: z.string(), previous_secret_expires_at: z.int() });

/** Gives a client or an agent a new secret: in the database, or through the server that has it open. */
export const rotateSecret: Command = {
  name: "rotate-secret",
  summary: "Give a client or an agent a new secret",
  usage: "CLIENT_ID [--overlap SECONDS]",
  positional: "client",
  options: {
    client: { type: "string", value: "CLIENT_ID", about: "whose" },
    overlap: {
      type: "string",
      value: "SECONDS",
      about: "how long the one of until now stays good beside it (86400, a day); 0 ends it at once",
    },
  },

  async run({ overlap, ...options }) {
    const clientId = required(options, "client");
    const parsed = SecretRotation.safeParse(overlap === undefined ? {} : { overlap: Number(overlap) });
    if (!parsed.success) throw new CommandError(z.prettifyError(parsed.error));
    const { secret, goodUntil } = await carryOut({
      async inDatabase(ctx) {
        const made = await rotate(ctx, { clientId, ...parsed.data, actor: "operator" });
        return { secret: made.clientSecret, goodUntil: made.previousSecretExpiresAt };
      },
      ...{ path: pathOf(clientId), body: parsed.data },
      read(answer) {
        const { client_secret, previous_secret_expires_at } = Rotated.parse(answer);
        return { secret: client_secret, goodUntil: new Date(previous_secret_expires_at * 1000) };
      },
    });
    const before = parsed.data.overlap === 0 ? "no more" : `until ${goodUntil.toISOString()}`;
    return `${secret}\nThe secret before is good ${before}.`;
  },
};

const pathOf = (clientId: string): string =>
  clientId.startsWith("agnt_")
    ? `/agents/${encodeURIComponent(clientId)}/secret`
    : `/clients/one/secret?client_id=${encodeURIComponent(clientId)}`;
