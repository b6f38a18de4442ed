// How the application looks.
#pragma once

// Dark, so that the eye is on the image. Called once, before windows are made.
void setDarkStyle();
