import { eq } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { outbox } from "@/db/schema/outbox";
import { changeUserStatus } from "@/lib/services/users";
import { connect, type Person, publicServer } from "@/test/support/client";
import type { TestContext } from "@/test/support/context";
import { later, serverWith, tell } from "@/test/support/notifications";
import { jsonOf, type MailServer, mailServer, type Receiver, receiver } from "@/test/support/receivers";

const FROM = "Authgent <authgent@example.com>";
const closing: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of closing.splice(0)) await one.close();
});
const closed = <T extends { close(): Promise<void> }>(one: T): T => {
  closing.push(one);
  return one;
};

describe("Slack and what takes its JSON", () => {
  let hook: Receiver;
  let t: TestContext;
  beforeEach(async () => {
    hook = closed(await receiver());
    t = await serverWith({ AUTHGENT_SLACK_WEBHOOK_URL: hook.url });
  });

  it("gets one message with a link to the page", async () => {
    const { url, expiresAt } = await tell(t, { bindingCode: "42" });
    const until = `${expiresAt.toISOString().slice(0, 16).replace("T", " ")} UTC`;
    const lines = [
      "search-bot wants to send 1 payment of 250 EUR to ACME",
      "Asked by: search-bot",
      "Risk: high",
      "Code: 42 (the agent shows the same one)",
      `Answer until: ${until}`,
    ];
    const plain = (text: string) => ({ type: "plain_text", text, emoji: false });
    expect(hook.received.map(jsonOf)).toEqual([
      {
        text: [...lines, `<${url}|Read it and answer>`].join("\n"),
        blocks: [
          { type: "section", text: plain(lines.join("\n")) },
          { type: "actions", elements: [{ type: "button", text: plain("Read it and answer"), url }] },
          {
            type: "context",
            elements: [plain("This message approves nothing: sign in there and read what is asked.")],
          },
        ],
      },
    ]);
  });

  it("security 153: what an agent calls itself calls nobody and links nowhere", async () => {
    await tell(t, { requester: "<!channel> & <https://evil.example|click>", title: "<!here> *pay* & go" });
    const { text, blocks } = jsonOf(hook.received[0] ?? expect.fail("nothing came"));
    expect(text.split("\n").slice(0, 2)).toEqual([
      "&lt;!here&gt; *pay* &amp; go",
      "Asked by: &lt;!channel&gt; &amp; &lt;https://evil.example|click&gt;",
    ]);
    expect(blocks[0].text.text).not.toMatch(/[<>]/);
  });
});

describe("e-mail", () => {
  let mail: MailServer;
  let t: TestContext;
  let ada: Person;

  const start = async (password?: string) => {
    mail = closed(await mailServer(password === undefined ? {} : { password }));
    t = await serverWith({ AUTHGENT_SMTP_URL: mail.url, AUTHGENT_SMTP_FROM: FROM });
    ada = await connect(t).signIn();
  };

  /** The headers of a mail, unfolded, by name; a name that is there twice has two values. */
  const headersOf = (raw: string): Map<string, string[]> => {
    const [head = ""] = raw.split("\r\n\r\n");
    const lines = head.replace(/\r\n[ \t]+/g, " ").split("\r\n");
    const headers = new Map<string, string[]>();
    for (const line of lines) {
      const [name = "", ...value] = line.split(":");
      headers.set(name.toLowerCase(), [...(headers.get(name.toLowerCase()) ?? []), value.join(":").trim()]);
    }
    return headers;
  };
  /** What quoted-printable says (RFC 2045 §6.7), as far as these mails use it. */
  const decoded = (raw: string) => raw.replace(/=\r\n/g, "").replace(/=3D/g, "=");
  const onlyMail = () => {
    const [first] = mail.mails;
    if (!first || mail.mails.length !== 1) throw new Error(`${mail.mails.length} mails`);
    return first;
  };

  it("goes to each person who is asked, from the address of the settings", async () => {
    await start();
    const eve = await connect(t).signIn();
    await tell(t, { recipients: [ada.user.id, eve.user.id] });
    expect(mail.mails.map(({ to }) => to).sort()).toEqual([[ada.user.email], [eve.user.email]].sort());
    expect(mail.mails.map(({ from }) => from)).toEqual(["authgent@example.com", "authgent@example.com"]);
  });

  it("says who wants what until when, as text and as markup that loads nothing", async () => {
    await start();
    const { url } = await tell(t, { recipients: [ada.user.id] });
    const { raw } = onlyMail();
    const headers = headersOf(raw);
    expect(headers.get("subject")).toEqual(["search-bot wants to send 1 payment of 250 EUR to ACME"]);
    expect(headers.get("from")).toEqual([FROM]);
    expect(headers.get("to")).toEqual([ada.user.email]);
    expect(headers.get("auto-submitted")).toEqual(["auto-generated"]);
    expect(headers.get("content-type")?.[0]).toMatch(/^multipart\/alternative;/);
    const text = decoded(raw);
    expect(text).toContain("Asked by: search-bot\r\nRisk: high\r\n");
    expect(text).toContain(`Read it and answer:\r\n${url}\r\n`);
    expect(text).toContain(`<a href="${url}">Read it and answer</a>`);
    expect(text).toContain("This message approves nothing: sign in there and read what is asked.");
    expect(text).not.toMatch(/<(?:img|link|script|style|iframe)|src=|@import|url\(/i);
  });

  it("RFC 5322 §3.6.4: has the same Message-ID at every try", async () => {
    await start();
    mail.refuses({ code: 451, text: "try later" });
    await tell(t, { recipients: [ada.user.id] });
    expect(mail.mails).toEqual([]);
    mail.refuses(undefined);
    await later(t, 60);
    expect(headersOf(onlyMail().raw).get("message-id")?.[0]).toMatch(/^<[0-9a-f-]{36}@localhost>$/);
  });

  it("RFC 5321 §4.2.1: a recipient that the server does not know is not tried again", async () => {
    await start();
    mail.refuses({ code: 550, text: "no such user here" });
    await tell(t, { recipients: [ada.user.id] });
    mail.refuses(undefined);
    await later(t, 100);
    expect(mail.mails).toEqual([]);
    const failed = await t.ctx.db.select().from(outbox).where(eq(outbox.channel, "email"));
    expect(failed.map(({ status, lastError }) => [status, lastError])).toEqual([
      ["failed", "127.0.0.1 answered 550 (EENVELOPE)"],
    ]);
  });

  it("a recipient that the server puts off holds up nobody else", async () => {
    await start();
    mail.refuses({ code: 451, text: "greylisted" });
    const people = [];
    for (let count = 0; count < 4; count += 1) people.push((await connect(t).signIn()).user.id);
    await tell(t, { recipients: people });
    mail.refuses(undefined);
    await tell(t, { recipients: [ada.user.id] });
    expect(mail.mails.map(({ to }) => to)).toEqual([[ada.user.email]]);
  });

  it("nobody's name becomes a header or a second recipient", async () => {
    await start();
    await tell(t, {
      recipients: [ada.user.id],
      title: "x\r\nBcc: eve@evil.example\r\n\r\nhello",
      requester: "a\nReply-To: eve@evil.example",
    });
    const { raw, to } = onlyMail();
    expect(to).toEqual([ada.user.email]);
    const headers = headersOf(raw);
    expect(["bcc", "cc", "reply-to"].filter((name) => headers.has(name))).toEqual([]);
    expect(headers.get("subject")).toEqual(["x Bcc: eve@evil.example hello"]);
  });

  it("security 153: markup in a name is text in a mail", async () => {
    await start();
    await tell(t, { recipients: [ada.user.id], requester: '<img src="https://evil.example/p.gif">' });
    const [, markup = ""] = decoded(onlyMail().raw).split("text/html");
    expect(markup).toContain("Asked by: &lt;img src=&quot;https://evil.example/p.gif&quot;&gt;<br>");
    expect(markup).not.toContain("<img");
  });

  it("uses the password of the settings", async () => {
    await start("a p@ss/word");
    await tell(t, { recipients: [ada.user.id] });
    expect(mail.mails).toHaveLength(1);
  });

  it("a person who is frozen is told nothing, also where it was queued before", async () => {
    await start();
    mail.refuses({ code: 451, text: "try later" });
    await tell(t, { recipients: [ada.user.id] });
    await changeUserStatus(t.ctx, ada.user.id, "frozen");
    await tell(t, { recipients: [ada.user.id] });
    mail.refuses(undefined);
    await later(t, 60);
    expect(mail.mails).toEqual([]);
  });
});

describe("the terminal, in local mode", () => {
  it("gets one line", async () => {
    const t = await serverWith({});
    const { url } = await tell(t, { bindingCode: "42" });
    expect(t.lines.filter((line) => line.includes("wants to send"))).toEqual([
      `  search-bot wants to send 1 payment of 250 EUR to ACME [code 42 (the agent shows the same one)]   ${url}\n`,
    ]);
  });

  it("security 154: is not drawn on by a name", async () => {
    const t = await serverWith({});
    await tell(t, { title: "\u001b[2J\u001b[31mapproved\u202e\nAuthgent is ready" });
    const [line = ""] = t.lines.filter((one) => one.includes("approved"));
    expect(line).toMatch(/^ {2}\[2J\[31mapproved Authgent is ready {3}http:\/\/localhost:8000\S+\n$/);
  });

  it("a server for others writes nothing there", async () => {
    const t = await serverWith(publicServer);
    await tell(t);
    expect(t.lines.filter((line) => line.includes("wants to send"))).toEqual([]);
  });
});
