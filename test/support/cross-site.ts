/** What a browser says of a post that another site's page sent to `https://auth.example.com`, with a name for each. */
export const CROSS_SITE: readonly [string, Record<string, string>][] = [
  ["another origin", { origin: "https://evil.example" }],
  ["a sibling subdomain", { origin: "https://other.example.com" }],
  ["our host over http", { origin: "http://auth.example.com" }],
  ["our host on another port", { origin: "https://auth.example.com:8443" }],
  ["Origin: null", { origin: "null" }],
  ["no Origin", {}],
  ["Sec-Fetch-Site: cross-site", { "sec-fetch-site": "cross-site" }],
  ["Sec-Fetch-Site: same-site", { "sec-fetch-site": "same-site" }],
  ["Sec-Fetch-Site: none", { "sec-fetch-site": "none" }],
  [
    "another origin that says same-origin",
    { origin: "https://evil.example", "sec-fetch-site": "same-origin" },
  ],
];
