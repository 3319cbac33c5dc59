import { auth, signIn, signOut } from "../auth";

/** Who is signed in, as Authgent's ID token says. */
export default async function Page({ searchParams }: { searchParams: Promise<{ error?: string }> }) {
  const session = await auth();
  const { error } = await searchParams;
  if (!session?.user) {
    return (
      <main>
        <h1>Minutes</h1>
        {error && <p role="status">You are not signed in: Authgent did not let this app know who you are.</p>}
        <form action={enter}>
          <button type="submit">Sign in with Authgent</button>
        </form>
      </main>
    );
  }
  const { name, email } = session.user;
  return (
    <main>
      <h1>Hello, {name}</h1>
      <p>{email}</p>
      <form action={leave}>
        <button type="submit">Sign out</button>
      </form>
    </main>
  );
}

async function enter() {
  "use server";
  await signIn("authgent");
}

async function leave() {
  "use server";
  await signOut();
}
