"use client";

import { Frame } from "@/components/frame";
import { Notice } from "@/components/notice";

/** A page that could not be made: says so, and nothing of why. */
export default function ErrorPage({ error }: { error: Error & { digest?: string } }) {
  return (
    <>
      <title>Error: this page could not be shown</title>
      <Frame issuerHost="">
        <Notice
          title="This page could not be shown"
          happened="Something went wrong here. Nothing was decided, and nothing was given to anybody."
          advice="Load the page again in a moment. If it stays so, tell your administrator the reference."
          reference={error.digest}
        />
      </Frame>
    </>
  );
}
