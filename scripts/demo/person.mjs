import { say, strong } from "./narrate.mjs";
import { Hint, options, server } from "./options.mjs";

/** Who allows and stops: you in your browser, or with --auto one that nobody sees. */
export const createPerson = (app) => (options.auto ? headlessPerson(app) : personAtTheTerminal(app));

const personAtTheTerminal = (app) => ({
  async allow(url) {
    say("", ...howToSignIn(), "", `  ${strong(url)}`, "");
  },
  /** When they press is not seen from here. */
  async stop() {
    say(`Open ${strong(`${server}/me`)} and press “Stop ${app}”. Until then all of it is let in.`);
  },
  async leave() {},
});

/** Only a server that nobody else reaches, and that was given no password, prints a link. */
function howToSignIn() {
  const local = [new URL(server).hostname, process.env.AUTHGENT_HOST || "localhost"].every(isLoopback);
  if (!local || options.password || process.env.AUTHGENT_ADMIN_PASSWORD)
    return ["Open this address in your browser, sign in, and answer:"];
  return [
    "First open the sign-in link that npm start printed, in the same browser, then this address, and answer:",
  ];
}

const isLoopback = (host) => /^(localhost|\[?::1\]?|127(\.\d{1,3}){3})$/.test(host);

/** A person for tests: signs in, allows and stops in a headless browser. */
async function headlessPerson(app) {
  const [{ chromium }, { findBrowser }] = await Promise.all([
    import("@playwright/test"),
    import("../browser.mjs"),
  ]);
  const executablePath = findBrowser();
  if (!executablePath) throw new Hint("--auto needs Chromium or Chrome: install one, or set CHROMIUM_PATH.");
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  const page = await browser.newPage();
  page.setDefaultTimeout(15_000);
  const press = (name) => page.getByRole("button", { name }).first().click();

  return {
    async allow(url) {
      if (options.link) await page.goto(options.link);
      await page.goto(url);
      if (new URL(page.url()).pathname === "/login") await signIn(page, press);
      say(`The person reads: “${await page.getByRole("heading", { level: 1 }).innerText()}” and allows it.`);
      await press(`Allow ${app}`);
      await page.waitForURL(/\/callback\?/);
    },
    /** Resolves to the moment in which their browser sent the form. */
    async stop() {
      await page.goto(`${server}/me`);
      say(`At ${server}/me they press “Stop ${app}”.`);
      const isForm = (request) => request.method() === "POST";
      const [form] = await Promise.all([page.waitForRequest(isForm), press(`Stop ${app}`)]);
      return form.timing().startTime - performance.timeOrigin;
    },
    leave: () => browser.close(),
  };
}

async function signIn(page, press) {
  if (!options.email) {
    throw new Hint(
      "The sign-in link was used before, or has expired. Restart the server: it prints a new one.",
    );
  }
  await page.getByLabel("Email").fill(options.email);
  await page.getByLabel("Password").fill(options.password);
  await Promise.all([page.waitForNavigation(), press("Sign in")]);
  if (new URL(page.url()).pathname !== "/login") return;
  throw new Hint(
    `The server did not sign ${options.email} in: ${await page.getByRole("alert").first().innerText()}`,
  );
}
