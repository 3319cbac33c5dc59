import type { Page } from "@playwright/test";
import { ADMIN_ENV } from "./person";

const KEY = "the-operators-key-of-these-tests-0123456789";

/** Settings of a server with an administrator and an operator's key. */
export const OPERATED_ENV = { ...ADMIN_ENV, AUTHGENT_ADMIN_API_KEY: KEY };

export type Asked = { id: string; approval_url: string; binding_code: string };

/** What an operator and agents send to a server on this machine. */
export function agentsAt(url: string) {
  async function send<Answer>(
    path: string,
    body: unknown,
    headers: Record<string, string> = {},
    method = "POST",
  ) {
    const response = await fetch(url + path, {
      method,
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    const answer: Answer = await response.json();
    return answer;
  }
  const operate = <Answer>(path: string, body: unknown, method?: string) =>
    send<Answer>(path, body, { "x-admin-key": KEY }, method);

  return {
    operate,
    /** A person with a local account, whose password is `password-of-<email>`. */
    person: (email: string, more: Record<string, unknown> = {}) =>
      operate<{ id: string }>("/users", { email, password: passwordOf(email), ...more }),
    ask: (agentId: string, asked: Record<string, unknown>) =>
      send<Asked>("/stepup", { agent_id: agentId, action: "act", ...asked }),
    answer: (id: string, text: string) => send<unknown>(`/stepup/${id}/answers`, { text }),
    withdraw: (id: string) => fetch(`${url}/stepup/${id}`, { method: "DELETE" }),
  };
}

export const passwordOf = (email: string): string => `password-of-${email}`;

/** An agent of whoever is signed in on the page. */
export const agentOf = (page: Page, name: string): Promise<string> =>
  page.evaluate(async (name) => {
    const response = await fetch("/agents", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name }),
    });
    const { client_id: clientId } = await response.json();
    return String(clientId);
  }, name);

/** Signs somebody in and leads to a page. */
export async function enter(page: Page, url: string, path: string, email: string): Promise<void> {
  await page.goto(`${url}/login?continue=${encodeURIComponent(path)}`);
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password").fill(passwordOf(email));
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(url + path);
}
