mod blocking;
mod container;
mod mixed;
mod play;
mod streams;
