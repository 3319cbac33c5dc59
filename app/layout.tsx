import { connection } from "next/server";
import type { ReactNode } from "react";

/** The document every page stands in. */
export default async function Layout({ children }: { children: ReactNode }) {
  // A page made at build time could not carry the nonce of a request.
  await connection();
  return (
    <html lang="en">
      <head>
        <link rel="stylesheet" href="/authgent.css" />
      </head>
      <body>{children}</body>
    </html>
  );
}
