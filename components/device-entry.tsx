import { Icon } from "@/components/icon";

export type DeviceEntryView = {
  csrf: string;
  /** As the link had it: the person still has to press the button (RFC 8628 §3.3.1). */
  userCode?: string | undefined;
  error?: string | undefined;
};

/** Asks for the code that a device or terminal shows. */
export function DeviceEntry({ csrf, userCode, error }: DeviceEntryView) {
  return (
    <>
      <h1>Connect a device</h1>
      <p className="caution">
        Only enter a code that is showing on a device or terminal in front of you. Nobody from support will
        ever send you one.
      </p>
      {error && (
        <p className="lead marked danger" id="user-code-error" role="alert">
          <Icon name="high" />
          {error}
        </p>
      )}
      <form className="stack" action="/device/verify" method="post">
        <input type="hidden" name="csrf" value={csrf} />
        <div className="field">
          <label htmlFor="user-code">Code</label>
          <input
            id="user-code"
            name="user_code"
            className="user-code"
            type="text"
            inputMode="text"
            autoCapitalize="characters"
            autoComplete="off"
            spellCheck={false}
            maxLength={20}
            defaultValue={userCode}
            required
            aria-invalid={error ? true : undefined}
            aria-describedby={error ? "user-code-error user-code-hint" : "user-code-hint"}
          />
          <p className="aside" id="user-code-hint">
            Eight letters. The dash does not matter, nor do capitals.
          </p>
        </div>
        <button className="button act wide" type="submit">
          Continue
        </button>
        <p className="aside">On the next page you see who asks for what, and decide.</p>
      </form>
    </>
  );
}
