import { json } from "./json";

export const openApiEndpoint = async (): Promise<Response> => json({});
