import type { ReactNode } from "react";
import { Frame } from "@/components/frame";
import { ACCOUNT_PURPOSE } from "@/lib/http/my-agents";
import { type Visitor, visitorOfPage } from "./visitor";

type LetterProps = {
  /** What the tab shows: says the state of the page, not its place. */
  title: string;
  /** Where a person who switches accounts comes back to; without it the page does not offer it. */
  continueTo?: string | undefined;
  children: ReactNode;
};

/** The frame of a page, with its title, for whoever looks at it. */
export async function Letter({ title, continueTo, children }: LetterProps) {
  const visitor = await visitorOfPage();
  return (
    <>
      <title>{`${title} · ${visitor.issuerHost}`}</title>
      <Frame {...frameOf(visitor, continueTo)}>{children}</Frame>
    </>
  );
}

function frameOf({ by, issuerHost, formToken }: Visitor, continueTo: string | undefined) {
  if (!by) return { issuerHost };
  const { name, email } = by.user;
  const switchAccount = continueTo ? { csrf: formToken(ACCOUNT_PURPOSE), continueTo } : undefined;
  return { issuerHost, person: { name, email }, switchAccount };
}
