import { z } from "zod";
import { NewUser } from "@/lib/http/users";
import { createLocalUser } from "@/lib/services/users";
import { type Command, CommandError, required } from "../command";
import { carryOut } from "../running-server";

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
    await carryOut<unknown>({
      inDatabase: (ctx) => createLocalUser(ctx, { ...person, name: person.name ?? person.email }, "operator"),
      ...{ path: "/users", body: person, read: (answer) => answer },
    });
    return `Created ${person.email} as ${person.role}.`;
  },
};
