mod blocking;
mod mixed;
mod play;
mod streams;
