import { handlers } from "../../../../auth";

/** Where Auth.js starts a sign-in, and where Authgent sends the person back to: /api/auth/callback/authgent. */
export const { GET, POST } = handlers;
