import NextAuth from "next-auth";

/**
 * Authgent as an OpenID provider. What Auth.js needs to know of it comes from the environment, by the provider's name:
 * AUTH_AUTHGENT_ISSUER, AUTH_AUTHGENT_ID and AUTH_AUTHGENT_SECRET; `register.mjs` prints them. Endpoints and keys are
 * found at the issuer.
 */
export const { auth, handlers, signIn, signOut } = NextAuth({
  providers: [{ id: "authgent", name: "Authgent", type: "oidc", checks: ["pkce", "state", "nonce"] }],
  // Whoever does not allow the app comes back to where they were, not to a page that Auth.js has for it.
  pages: { signIn: "/", error: "/" },
});
