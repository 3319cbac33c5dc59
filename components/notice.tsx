export type NoticeView = {
  /** Says what is so, not that something is wrong: "This request was already answered". */
  title: string;
  happened: string;
  /** What the person can do now. */
  advice?: string | undefined;
  /** Finds this event in the operator's log. */
  reference?: string | undefined;
  /** One way on: a link, or a form post when it changes something. */
  action?: { label: string; href: string } | { label: string; post: string; csrf: string } | undefined;
};

/** A page with one message: an error, an answer given before, a question that lapsed, a goodbye. */
export function Notice({ title, happened, advice, reference, action }: NoticeView) {
  return (
    <>
      <h1>{title}</h1>
      <p>{happened}</p>
      {advice && <p>{advice}</p>}
      {action && <Action action={action} />}
      {reference && (
        <p className="lead aside">
          Reference <code>{reference}</code>
        </p>
      )}
    </>
  );
}

function Action({ action }: { action: NonNullable<NoticeView["action"]> }) {
  if ("href" in action) {
    return (
      <p className="stack">
        <a className="button" href={action.href}>
          {action.label}
        </a>
      </p>
    );
  }
  return (
    <form className="stack" action={action.post} method="post">
      <input type="hidden" name="csrf" value={action.csrf} />
      <button className="button" type="submit">
        {action.label}
      </button>
    </form>
  );
}
