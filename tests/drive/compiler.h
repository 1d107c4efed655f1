/* The processes that compile filters. */
#ifndef COMPILER_H
#define COMPILER_H

#include <stdbool.h>

/* One of them comes to its end; `wild`: without a program. */
void compiler_play(bool wild);

/* All of them are forgotten: the process that began them is gone. */
void compiler_end(void);

#endif
