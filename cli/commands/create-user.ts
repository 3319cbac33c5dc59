import { z } from "zod";
import { DatabaseInUseError } from "@/db/directory-lock";
import { isOAuthError } from "@/lib/errors";
import { NewUser } from "@/lib/http/users";
import { runningContext } from "@/lib/running-context";
import { createLocalUser } from "@/lib/services/users";
import { loadSettings } from "@/lib/settings";
import { type Command, CommandError, required } from "../command";

type Person = z.output<typeof NewUser>;

/** Creates a person with a local account: in the database, or through the server that has it open. */
export const createUser: Command = {
  name: "create-user",
  summary: "Create a person with a local account",
  usage: "--email EMAIL --password PASSWORD [--role member|approver|admin] [--name NAME]",
  options: {
    email: { type: "string", value: "EMAIL", about: "whom they sign in as" },
    password: { type: "string", value: "PASSWORD", about: "8 characters or more" },
    role: { type: "string", value: "ROLE", about: "member, approver or admin (member)" },
    name: { type: "string", value: "NAME", about: "what they are called (their email)" },
  },

  async run({ role, name, ...options }) {
    const parsed = NewUser.safeParse({
      email: required(options, "email"),
      password: required(options, "password"),
      ...(role === undefined ? {} : { role }),
      ...(name === undefined ? {} : { name }),
    });
    if (!parsed.success) throw new CommandError(z.prettifyError(parsed.error));
    const person = parsed.data;
    try {
      await createInDatabase(person);
    } catch (error) {
      if (!(error instanceof DatabaseInUseError)) throw error;
      await createThroughServer(person, error);
    }
    return `Created ${person.email} as ${person.role}.`;
  },
};

async function createInDatabase({ email, name = email, role, password }: Person): Promise<void> {
  const { ctx, close } = await runningContext();
  try {
    await createLocalUser(ctx, { email, name, role, password }, "operator");
  } catch (error) {
    throw isOAuthError(error) ? new CommandError(error.description) : error;
  } finally {
    await close();
  }
}

/** The embedded database belongs to the server that runs; it takes the order by HTTP. */
async function createThroughServer(person: Person, inUse: DatabaseInUseError): Promise<void> {
  const { serverUrl, adminApiKey } = loadSettings().settings;
  if (adminApiKey === undefined) {
    throw new CommandError(
      `${inUse.message}\nOr give both the same AUTHGENT_ADMIN_API_KEY: then this command asks the running server.`,
    );
  }
  const response = await fetch(`${serverUrl}/users`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-admin-key": adminApiKey },
    body: JSON.stringify(person),
  });
  if (response.status === 201) return;
  const { detail } = z.object({ detail: z.string() }).parse(await response.json());
  throw new CommandError(detail);
}
