/* main.c: the program `moonwire`. Owns nothing and knows only the embedding header. Main thread. */
#include "moonwire.h"

int main(int argc, char **argv)
{
    return moonwire_cli(argc, argv);
}
