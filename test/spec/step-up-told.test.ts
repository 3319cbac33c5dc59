import { afterEach, beforeEach, expect, it } from "vitest";
import { basic, connect } from "@/test/support/client";
import { serverWith } from "@/test/support/notifications";
import { jsonOf, type MailServer, mailServer, type Receiver, receiver } from "@/test/support/receivers";
import { stepUps } from "@/test/support/step-ups";

let hook: Receiver;
let mail: MailServer;

beforeEach(async () => {
  [hook, mail] = [await receiver(), await mailServer()];
});
afterEach(() => Promise.all([hook.close(), mail.close()]));

it("a question and its answer are told by webhook and e-mail: nobody has to look", async () => {
  const t = await serverWith({
    AUTHGENT_WEBHOOK_URL: hook.url,
    AUTHGENT_WEBHOOK_HMAC_SECRET: "a-secret-of-24-characters",
    AUTHGENT_SMTP_URL: mail.url,
    AUTHGENT_SMTP_FROM: "authgent@example.com",
  });
  const c = connect(t);
  const s = stepUps(c, t.ctx.settings.serverUrl);
  const owner = await c.signIn();
  const agent = await s.agentOf(owner);
  const { id, binding_code, approval_url } = await s.asked({ agent_id: agent.clientId });
  await t.settled();
  expect(hook.received.map(jsonOf)).toMatchObject([
    { event: "approval.requested", id, status: "pending", scope: "files:delete", binding_code },
  ]);
  expect(mail.mails.map(({ to }) => to)).toEqual([[owner.user.email]]);
  expect(mail.mails[0]?.raw).toContain(String(approval_url));

  expect((await s.approve(id, owner)).status).toBe(200);
  await t.settled();
  expect(hook.received.slice(1).map(jsonOf)).toMatchObject([
    { event: "approval.decided", id, status: "approved", decided_by: `user:${owner.user.id}` },
  ]);
  expect(await s.seen(id, basic(agent))).toHaveProperty("step_up_token");
});
