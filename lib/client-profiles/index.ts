import { chatgpt, chatgptApp } from "./chatgpt";
import { claudeAi, claudeAiDynamic } from "./claude-ai";
import { claudeCode } from "./claude-code";
import { codex, codexDynamic } from "./codex";
import { copilotStudio } from "./copilot-studio";
import { cursor } from "./cursor";
import { geminiCli } from "./gemini-cli";
import { leChat } from "./le-chat";
import type { ClientProfile } from "./profile";
import { vsCode, vsCodeDynamic } from "./vs-code";

/** The MCP clients this server is tried with. To add one: write its file, add its line. */
export const clientProfiles: readonly ClientProfile[] = [
  claudeAi,
  claudeAiDynamic,
  claudeCode,
  chatgpt,
  chatgptApp,
  cursor,
  vsCode,
  vsCodeDynamic,
  codex,
  codexDynamic,
  geminiCli,
  copilotStudio,
  leChat,
];
