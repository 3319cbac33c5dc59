import { existsSync } from "node:fs";
import { parseArgs } from "node:util";

const USAGE = "npm run demo -- [--port N] [--auto --email E --password P | --auto --link URL]";

const HELP = `${USAGE}

Plays three agents against the running server, tells every step, and waits for you in your browser.

  --port N      port of the example MCP server (8100)
  --auto        a headless browser plays the person, who signs in with
                --email E --password P, or --link URL (the sign-in link that npm start printed, which it uses up)

  AUTHGENT_SERVER_URL      the server (http://localhost:8000)
  AUTHGENT_ADMIN_API_KEY   lets the demo register its MCP server, with words for its scopes`;

/** Something that the reader can put right: printed as it is, without a stack. */
export class Hint extends Error {}

// The same settings as `npm start`; what stands in the environment wins.
if (existsSync(".env")) process.loadEnvFile(".env");

/** What the demo was called with. */
export const options = readOptions();

/** The address of the authorization server. */
export const server =
  process.env.AUTHGENT_SERVER_URL ?? `http://localhost:${process.env.AUTHGENT_PORT ?? 8000}`;

/** The operator's key, if the reader has one. */
export const adminKey = process.env.AUTHGENT_ADMIN_API_KEY;

/** The address of the example MCP server. */
export const notes = `http://localhost:${options.port}/mcp`;

/** What the person is asked for; each agent after the first gets less of it. */
export const SCOPE = "notes:read notes:search notes:write";

function readOptions() {
  const values = parseOptions();
  if (!values.help) return values;
  console.log(HELP);
  process.exit(0);
}

function parseOptions() {
  try {
    return parse().values;
  } catch (error) {
    if (!error.code?.startsWith("ERR_PARSE_ARGS")) throw error;
    // Its first sentence says what is wrong; the others are about Node.
    console.error(`${error.message.split(". ")[0]}.\n\n${USAGE}`);
    process.exit(2);
  }
}

function parse() {
  return parseArgs({
    options: {
      port: { type: "string", default: "8100" },
      auto: { type: "boolean", default: false },
      email: { type: "string" },
      password: { type: "string" },
      link: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
}
