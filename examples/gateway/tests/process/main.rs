//! The gateway as a process: started, asked, told to stop, killed.

mod accounts;
mod bedrock;
mod canaries;
mod demo;
mod dumps;
mod endpoints;
mod external_auth;
mod home;
mod kill;
mod logs;
mod mcp;
mod process;
mod reload;
mod secrets;
mod shutdown;
mod startup;
mod tls;
