import { Icon } from "@/components/icon";

export type DeviceEntryView = {
  csrf: string;
  /** As it was typed, or as the link had it: the person still has to press the button (RFC 8628 §3.3.1). */
  userCode?: string | undefined;
  error?: string | undefined;
};

/** Asks for the code that a device or terminal shows. */
export function DeviceEntry({ csrf, userCode, error }: DeviceEntryView) {
  const wrong = error ? { "aria-invalid": true, "aria-describedby": "user-code-error" } : {};
  return (
    <form className="full" action="/device/verify" method="post">
      <input type="hidden" name="csrf" value={csrf} />
      <h1>Connect a device</h1>
      <p className="lead">
        Only enter a code that is showing on a device or terminal in front of you. Nobody from support will
        ever send you one.
      </p>
      {error && (
        <p className="lead marked danger" id="user-code-error" role="alert">
          <Icon name="high" />
          {error}
        </p>
      )}
      <div className="field">
        <label htmlFor="user-code">Code</label>
        <input
          id="user-code"
          name="user_code"
          className="code"
          type="text"
          inputMode="text"
          autoCapitalize="characters"
          autoComplete="off"
          spellCheck={false}
          maxLength={20}
          placeholder="XXXX-XXXX"
          defaultValue={userCode}
          required
          {...wrong}
        />
      </div>
      <button className="button act wide" type="submit">
        Continue
      </button>
      <p className="aside">On the next page you see who asks, and decide.</p>
    </form>
  );
}
