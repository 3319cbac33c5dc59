const PERSON = "user:";

/** The id of the person that a subject names; undefined: it is a client, or nobody. */
export const userIdOf = (subject: string | undefined): string | undefined =>
  subject?.startsWith(PERSON) ? subject.slice(PERSON.length) : undefined;
