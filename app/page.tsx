import { Home } from "@/components/home";
import { Letter } from "./letter";
import { visitorOfPage } from "./visitor";

/** What this server is. */
export default async function HomePage() {
  const { ctx, by, issuerHost } = await visitorOfPage();
  const { serverUrl } = ctx.settings;
  const signIn = { href: "/login", label: "Sign in", says: "to see what acts for you" };
  const links = [
    { href: "/me", label: "My agents", says: "what acts for you, and how to stop it" },
    ...(by ? [] : [signIn]),
    {
      href: "/.well-known/oauth-authorization-server",
      label: "Server metadata",
      says: "for who builds an app",
    },
  ];
  return (
    <Letter title="About this server" continueTo="/">
      <Home issuerHost={issuerHost} mcpUrl={`${serverUrl}/mcp`} links={links} />
    </Letter>
  );
}
