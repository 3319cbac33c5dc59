"use client";
import { useEffect, useState } from "react";

type NotifyProps = {
  /** The key that this browser's push service is to take messages from (RFC 8292 §4). */
  applicationServerKey: string;
  subscribed: boolean;
};

/** What the last press led to. */
type Outcome = "blocked" | "failed" | undefined;

const SAID: Record<NonNullable<Outcome>, string> = {
  blocked: "This browser does not allow notifications here. Allow them in its settings, then press again.",
  failed: "That did not work. Try again in a moment.",
};

/** Lets a person be told in this browser; nothing is shown where a browser cannot do that, as without scripts. */
export function NotifyBrowser({ applicationServerKey, subscribed }: NotifyProps) {
  const [isSupported, setSupported] = useState(false);
  const [isOn, setOn] = useState(subscribed);
  const [isBusy, setBusy] = useState(false);
  const [outcome, setOutcome] = useState<Outcome>();
  useEffect(() => setSupported("serviceWorker" in navigator && "PushManager" in window), []);
  if (!isSupported) return null;

  const press = async () => {
    setBusy(true);
    const result = await (isOn ? stop() : start(applicationServerKey)).catch((): Outcome => "failed");
    setOutcome(result);
    if (result === undefined) setOn(!isOn);
    setBusy(false);
  };

  return (
    <section className="section">
      <h2>When you are asked</h2>
      <p>
        {isOn
          ? "This browser tells you when an agent asks for your approval."
          : "This browser can tell you when an agent asks for your approval."}
      </p>
      <p className="stack">
        <button className="button" type="button" onClick={press} disabled={isBusy}>
          {isOn ? "Stop notifying this browser" : "Notify this browser"}
        </button>
      </p>
      <p className="aside">
        It says who asks and for what, perhaps on a locked screen. Signing out here ends it.
      </p>
      <p className="danger" role="status">
        {outcome && SAID[outcome]}
      </p>
    </section>
  );
}

const PATH = "/me/push-subscriptions";

async function start(applicationServerKey: string): Promise<Outcome> {
  if ((await Notification.requestPermission()) !== "granted") return "blocked";
  await navigator.serviceWorker.register("/push-worker.js", { scope: "/me" });
  const { pushManager } = await navigator.serviceWorker.ready;
  // One made for another key could not be written to.
  await (await pushManager.getSubscription())?.unsubscribe();
  const key = Uint8Array.from(atob(applicationServerKey.replace(/-/g, "+").replace(/_/g, "/")), (one) =>
    one.charCodeAt(0),
  );
  const subscription = await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  const answer = await fetch(PATH, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(subscription),
  });
  return answer.ok ? undefined : "failed";
}

async function stop(): Promise<Outcome> {
  const answer = await fetch(PATH, { method: "DELETE" });
  const registration = await navigator.serviceWorker.getRegistration("/me");
  await (await registration?.pushManager.getSubscription())?.unsubscribe();
  return answer.ok ? undefined : "failed";
}
