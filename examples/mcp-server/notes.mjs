import { McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";

/** Each person's notes, by `sub`. A real server has a database here. @type {Map<string, string[]>} */
const notes = new Map();

/** The tools of one caller, and the scope that each of them needs. @param {import("@modelcontextprotocol/server").AuthInfo} caller */
export function notesServer(caller) {
  const { sub, act } = caller.extra;
  const server = new McpServer({ name: "notes", version: "1.0.0" });

  server.registerTool(
    "whoami",
    { description: "Tells for whom you act here, as which app, and with which permissions." },
    () =>
      text({ sub, client_id: caller.clientId, scope: caller.scopes.join(" "), aud: caller.resource, act }),
  );

  server.registerTool(
    "read_notes",
    {
      description: "Reads the person's notes.",
      annotations: { readOnlyHint: true },
      scopeChallenge: needs("notes:read", "Reading notes"),
    },
    () => text(notes.get(sub) ?? []),
  );

  server.registerTool(
    "add_note",
    {
      description: "Adds a note.",
      inputSchema: z.object({ note: z.string().min(1).max(1000) }),
      scopeChallenge: needs("notes:write", "Adding a note"),
    },
    ({ note }) => {
      notes.set(sub, [...(notes.get(sub) ?? []), note]);
      return text(`Noted: ${note}`);
    },
  );
  return server;
}

/**
 * Answers 403 `insufficient_scope` before the tool runs, and names all that the app then needs: what it has, too,
 * because some clients ask for exactly what a challenge names (MCP 2026-07-28, Authorization § Scope challenges).
 */
const needs =
  (scope, what) =>
  ({ authInfo }) =>
    authInfo.scopes.includes(scope)
      ? undefined
      : {
          scopes: [...authInfo.scopes, scope],
          errorDescription: `${what} needs ${scope}. The person has to allow it first.`,
        };

const text = (value) => ({
  content: [{ type: "text", text: typeof value === "string" ? value : JSON.stringify(value) }],
});
