export type HomeView = {
  issuerHost: string;
  mcpUrl: string;
  /** Where to go from here: a link, and what is found there. */
  links: readonly { href: string; label: string; says: string }[];
};

/** Says what this server is, to a person who came by and to one who wants to connect an app. */
export function Home({ issuerHost, mcpUrl, links }: HomeView) {
  return (
    <div className="full">
      <h1>Agents ask here. You decide.</h1>
      <p className="lead">
        {issuerHost} is where apps and AI agents ask to act for you. You see who asks, for what and for how
        long; you answer; and you can take it back at any time.
      </p>
      <div className="facts">
        <div className="fact">
          <h2 className="side">Connect</h2>
          <div>
            <p>Give your app this address as an MCP server:</p>
            <code className="copy">{mcpUrl}</code>
          </div>
        </div>
        <div className="fact">
          <h2 className="side">Go to</h2>
          <ul className="ways">
            {links.map(({ href, label, says }) => (
              <li key={href}>
                <a href={href}>
                  <span>{label}</span> <span className="aside">{says}</span>
                </a>
              </li>
            ))}
          </ul>
        </div>
      </div>
    </div>
  );
}
